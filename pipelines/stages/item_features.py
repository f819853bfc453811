"""The features of items for the service's lookup: each item's latest row of the log, and defaults for unknown ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.click_log import FeatureColumns
from pipelines.report.metrics_file import ItemFeatureVariation
from ranking.lists import RankingLists
from serving.bundle import Bundle, ItemFeaturesEntry
from serving.features.lmdb_file import write_lmdb

FILE = "item_features/data.mdb"


@dataclass(frozen=True)
class ItemFeatures:
    """One row an item.

    Attributes:
        item_ids: object (str) `[items]`, all different.
        features: float32 `[items, features]`, of each item's latest row in the log.
        names: of the features.
        defaults: by feature, what stands for an item that is not among these.
    """

    item_ids: NDArray[np.object_]
    features: NDArray[np.float32]
    names: tuple[str, ...]
    defaults: dict[str, float]


def latest_features(splits: list[tuple[RankingLists, NDArray[np.int64]]], columns: FeatureColumns) -> ItemFeatures:
    """Each item's features in its latest request; of requests at the same time the last in the log counts.

    The held-out requests count as well: features are no labels, and a service should know the items that only they
    hold, and the newest values. Defaults are medians of the first split alone, so that all constants of a bundle come
    from the training data.

    A default is the lower median over impressions: a value that occurs, so that a feature of zeros and ones never
    becomes a half, and one that long tails do not draw away from what the models saw most, as they do a mean.

    Args:
        splits: lists with raw features and the time of each, int64 `[lists]`; the training split first.
        columns: of the lists.
    """
    first_column = len(columns.context)
    item_ids = np.concatenate([lists.item_ids for lists, _ in splits])
    times = np.concatenate([when[lists.list_index] for lists, when in splits])
    features = np.concatenate([lists.features[:, first_column:] for lists, _ in splits])
    codes, known = pd.factorize(item_ids)
    # The last row of each item in the order of time; a stable sort keeps the log's order among equal times.
    order = np.lexsort((np.arange(len(codes)), times, codes))
    last = order[np.flatnonzero(np.append(np.diff(codes[order]) != 0, True))]
    training = splits[0][0].features[:, first_column:]
    medians = np.quantile(training, 0.5, axis=0, method="lower")
    return ItemFeatures(
        item_ids=np.asarray(known, object),
        features=features[last],
        names=columns.candidate,
        defaults=dict(zip(columns.candidate, medians.astype(np.float64).tolist(), strict=True)),
    )


def feature_variation(lists: RankingLists, columns: FeatureColumns) -> ItemFeatureVariation:
    """How many items carry other features in one request than in another.

    Args:
        lists: of the log, with raw features.
        columns: of the lists.
    """
    codes, known = pd.factorize(lists.item_ids)
    requests = pd.DataFrame({"item": codes, "request": lists.list_index}).groupby("item")["request"].nunique()
    features = lists.features[:, len(columns.context) :]
    by_item = pd.DataFrame(features).groupby(codes)
    differs = (by_item.max() != by_item.min()).to_numpy()
    counts = differs.sum(axis=0)
    ranked = np.argsort(-counts, kind="stable")
    return ItemFeatureVariation(
        items=len(known),
        repeated=int((requests > 1).sum()),
        varying=int(differs.any(axis=1).sum()),
        features=tuple(columns.candidate[column] for column in ranked if counts[column]),
    )


def with_item_features(draft: Bundle, items: ItemFeatures) -> Bundle:
    """The draft with the file of item features in its folder, and the defaults in its manifest."""
    path = draft.folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lmdb(path, items.item_ids.tolist(), items.features, items.names)
    manifest = draft.manifest.model_copy(
        update={
            "features": draft.manifest.features.model_copy(update={"defaults": items.defaults}),
            "item_features": ItemFeaturesEntry(file=FILE, items=len(items.item_ids)),
        }
    )
    return Bundle(draft.folder, manifest)
