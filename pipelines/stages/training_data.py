"""What every training stage reads: one split's lists with the clicks that the configuration asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.click_log import FeatureColumns
from pipelines.examples import read_lists, read_timestamps
from ranking.lists import RankingLists

TRAIN, EVALUATION = "train", "eval"


@dataclass(frozen=True)
class TrainingData:
    """Where a stage finds its input.

    Attributes:
        examples: folder of the Examples artifact.
        columns: names and order of the features.
        clicks: folder of simulated clicks, or None to use the log's own.
    """

    examples: Path
    columns: FeatureColumns
    clicks: Path | None = None

    def lists(self, split: str) -> RankingLists:
        """The lists of `split` in logged order, raw features, with the clicks in force."""
        lists = read_lists(self.examples, split, self.columns)
        if self.clicks is None:
            return lists
        return lists.with_clicks(np.load(self.clicks / f"{split}.npy"))

    def timestamps(self, split: str) -> NDArray[np.int64]:
        """Times of the requests of `split` in microseconds since 1970, int64 `[lists]`, in the order of `lists`."""
        return read_timestamps(self.examples, split)


def columns_to_json(columns: FeatureColumns) -> str:
    """`columns` as the JSON text that travels in a component's parameters."""
    return json.dumps({"context": columns.context, "candidate": columns.candidate})


def columns_from_json(text: str) -> FeatureColumns:
    """The inverse of `columns_to_json`."""
    values: dict[str, Sequence[str]] = json.loads(text)
    return FeatureColumns(context=tuple(values["context"]), candidate=tuple(values["candidate"]))
