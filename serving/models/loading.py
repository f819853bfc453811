"""From a folder to a bundle that may take traffic: verified, loaded, tested, warm."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seriatim_errors import BundleError, SeriatimError
from serving.bundle import Manifest, open_bundle, self_test
from serving.features import LmdbStore, bundle_features
from serving.runtime.query import SlateQuery
from serving.runtime.ranker import SlateRanker

LIST_SIZES = (1, 10, 100, 1000)
BATCH = 8


@dataclass(eq=False)
class LoadedModel:
    """A bundle in memory.

    Attributes:
        ranker: ranks with it.
        manifest: what it says of itself.
        features: of its items, where they are asked for.
        requests: how many this process gave to it.
    """

    ranker: SlateRanker
    manifest: Manifest
    features: LmdbStore | None = None
    requests: int = 0

    @property
    def version(self) -> str:
        """Name of its folder."""
        return self.ranker.version


def load_model(folder: Path, item_features: bool = False) -> LoadedModel:
    """Verify the files, load the stages, rank the golden requests and requests of many sizes.

    Args:
        folder: of the bundle.
        item_features: open the bundle's features of items too; a bundle without is refused then.

    Raises:
        BundleError: any of that fails; the message says what and names the way out.
    """
    bundle = open_bundle(folder)
    if bundle.manifest.version != folder.name:
        raise BundleError(
            f"{folder} holds version {bundle.manifest.version!r}; name the folder as its version, or restore the bundle"
        )
    ranker = SlateRanker(bundle)
    self_test(ranker, bundle.golden())
    warm_up(ranker)
    features = bundle_features(bundle) if item_features else None
    if item_features and features is None:
        raise BundleError(
            f"{folder} holds no item features, which this service looks up; run the pipeline with "
            "serving.item_features, or set the service's features.store to another"
        )
    model = LoadedModel(ranker, bundle.manifest, features)
    if features is not None:
        # The last request that holds the model lets go of the file.
        weakref.finalize(model, features.close_now)
    return model


def warm_up(ranker: SlateRanker) -> None:
    """Rank made-up requests of every size and kind once, so that no caller pays for first times.

    Raises:
        BundleError: the bundle fails on a sound request.
    """
    for queries in _made_up(ranker):
        for decoding in ranker.decodings:
            for answer in ranker.rank_batch(queries, decoding):
                if isinstance(answer, SeriatimError):
                    raise BundleError(f"bundle {ranker.version} fails on a made-up request: {answer}; do not serve it")


def _made_up(ranker: SlateRanker) -> Iterator[list[SlateQuery]]:
    features = ranker.features
    for size in LIST_SIZES:
        query = SlateQuery(
            request_id="warm-up",
            item_ids=tuple(f"item-{row}" for row in range(size)),
            context=np.zeros(len(features.context), np.float32),
            features=np.zeros((size, len(features.item)), np.float32),
            slate_size=min(size, 10),
        )
        yield [query]
        if size < max(LIST_SIZES):
            yield [SlateQuery(**{**query.__dict__, "explore": True})]
            yield [query] * BATCH
