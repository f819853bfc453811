"""What a cascade's answers are called as features of items."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from pipelines.click_log import ITEM_PREFIX

IMAGE_PREFIX = ITEM_PREFIX + "image_"
FEATURES_FILE = "features.parquet"
SKY_COLUMNS = ("sky_share", "sky_confidence", "darkness")
NO_SKY = np.zeros(0, np.float32)


@dataclass(frozen=True)
class ImageFeatureNames:
    """Columns of an item's image features, in their order.

    An item without an image has zeros throughout: a confidence of 0, which no image has, marks it.

    Attributes:
        class_names: of the cascade.
        embedding_width: of the embedding; 0 for none.
        stages: most stages that an image can leave at.
        sky: whether there are features of skies.
    """

    class_names: tuple[str, ...]
    embedding_width: int
    stages: int
    sky: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """`item_image_class_*`, `_embedding_*`, `_confidence`, `_exit_*`, and of a sky `SKY_COLUMNS`."""
        return (
            *(f"{IMAGE_PREFIX}class_{name}" for name in _words(self.class_names)),
            *(f"{IMAGE_PREFIX}embedding_{place}" for place in range(self.embedding_width)),
            f"{IMAGE_PREFIX}confidence",
            *(f"{IMAGE_PREFIX}exit_{place}" for place in range(self.stages)),
            *(f"{IMAGE_PREFIX}{name}" for name in SKY_COLUMNS if self.sky),
        )

    def row(
        self,
        probabilities: NDArray[np.float32],
        embedding: NDArray[np.float32],
        confidence: float,
        exit_stage: int,
        sky: NDArray[np.float32] = NO_SKY,
    ) -> NDArray[np.float32]:
        """Features of one image, float32 `[columns]`; `sky` is empty where there are none of skies."""
        exits = np.zeros(self.stages, np.float32)
        exits[exit_stage] = 1
        return np.concatenate([probabilities, embedding, np.array([confidence]), exits, sky]).astype(np.float32)

    def to_json(self) -> str:
        """As the text that travels in a component's parameters."""
        return json.dumps([self.class_names, self.embedding_width, self.stages, self.sky])

    @classmethod
    def from_json(cls, text: str) -> ImageFeatureNames:
        """The inverse of `to_json`."""
        names, width, stages, sky = json.loads(text)
        return cls(tuple(names), width, stages, sky)

    @classmethod
    def of_cascade(cls, folder: Path, sky: bool = False) -> ImageFeatureNames:
        """Those of a cascade on disk, with or without skies.

        Raises:
            BundleError: the folder holds no sound cascade.
        """
        # Imports the image decoders, which a run without images need not wait for.
        from serving.images.reader import open_cascade

        manifest = open_cascade(folder).manifest
        return cls(manifest.class_names, manifest.embedding_width, len(manifest.stages), sky)


def joined_image_features(path: str, item_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Image features of a log's rows, float32 `[rows]` by column: zeros for an item that has none.

    Args:
        path: file of `item_id` and the features.
        item_ids: of the rows.
    """
    place, columns = _by_item(path)
    rows = np.array([place.get(item, -1) for item in item_ids], np.int64)
    return {name: values[rows] for name, values in columns.items()}


@lru_cache(maxsize=2)
def _by_item(path: str) -> tuple[dict[str, int], dict[str, NDArray[np.float32]]]:
    """The row of every item, and the columns, each with one more value, 0, for the others."""
    table = pa.parquet.read_table(path)
    columns = {name: np.append(table[name].to_numpy(), np.float32(0)) for name in table.column_names[1:]}
    return {item: row for row, item in enumerate(table["item_id"].to_pylist())}, columns


def _words(names: Sequence[str]) -> list[str]:
    """Names as parts of column names; with their place where two would be the same."""
    words = [re.sub(r"\W+", "_", name).strip("_") for name in names]
    return [word if word and words.count(word) == 1 else f"{word}_{place}" for place, word in enumerate(words)]
