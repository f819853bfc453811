"""Train the label forest on the items' tags, and independent labels to judge it by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipelines.config import LabellerConfig
from pipelines.item_catalogue import UNKNOWN, read_catalogue
from pipelines.stages.catalogue import CATALOGUE_FILE
from pipelines.stages.labelled_items import LabelledItems, hold_out, labelled_items
from pipelines.stages.training_data import TRAIN, TrainingData
from structured import CRANKClassifier, IndependentLabels

MODEL_FILE = "model.npz"
HISTORY_FILE = "history.json"
LEARNED_FILE = "learned.json"
HELD_OUT_FILE = "held_out.npz"
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
# Of a round's columns what falls while the forest emerges; beta is raised on the way, so objectives do not compare.
DRAWN_COLUMNS = ("edges", "penalty")


@dataclass(frozen=True)
class Learned:
    """What was learned from what, as `learned.json` keeps it.

    Attributes:
        labels: names of the tags that it sets.
        left_out: names of the tags that no item to learn from knows.
        edges: (one label's place, the other's), the smaller first.
        couplings: of each edge; positive where the two tags attract each other, negative where they repel.
        strengths: norm of each edge's table, > 0.
        present, absent, unknown: items to learn from by what is known of each label.
        catalogue, log, common, untagged: items, as in `ItemsInCommon`.
        trained, held_out: items to learn from and to judge by.
        ridge, independent_ridge: of the forest and of the independent labels.
    """

    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    couplings: tuple[float, ...]
    strengths: tuple[float, ...]
    present: tuple[int, ...]
    absent: tuple[int, ...]
    unknown: tuple[int, ...]
    catalogue: int
    log: int
    common: int
    untagged: int
    trained: int
    held_out: int
    ridge: float
    independent_ridge: float


def train_labeller(data: TrainingData, catalogue: Path, config: LabellerConfig, seed: int, folder: Path) -> None:
    """Write `model.npz`, `history.json`, `learned.json` and `held_out.npz` to `folder`.

    The items of `held_out.npz` (truth and both predictions, int8 `[items, labels]`) were not learned from.

    Args:
        data: the examples with the features to read, those of items alone.
        catalogue: folder of the catalogue's items and tags.
        config: how to learn.
        seed: fixes split, folds and learning.
        folder: where to write.

    Raises:
        DataError: log and catalogue have no tagged item in common.
        TrainingError: there are too few of them.
    """
    items, common = labelled_items(data.lists(TRAIN), read_catalogue(catalogue / CATALOGUE_FILE, config.label_prefix))
    train, judged = hold_out(items, config.held_out_share, seed, fewest=config.folds)
    left_out = train.with_labels(~train.taught).labels
    train, judged = train.with_labels(train.taught), judged.with_labels(train.taught)
    ridge, independent_ridge = (
        config.ridge or best_ridge(kind, train, config.folds, seed) for kind in (CRANKClassifier, IndependentLabels)
    )
    forest = fitted(CRANKClassifier(ridge=ridge, random_state=seed), train)
    independent = fitted(IndependentLabels(ridge=independent_ridge), train)
    forest.save(folder / MODEL_FILE)
    (folder / HISTORY_FILE).write_text(json.dumps(history_rows(forest.history_)))
    learned = Learned(
        labels=train.labels,
        left_out=left_out,
        edges=tuple((int(i), int(j)) for i, j in forest.edges_),
        couplings=tuple(map(float, forest.edge_couplings_)),
        strengths=tuple(map(float, forest.edge_strengths_)),
        present=_counts(train.tags == 1),
        absent=_counts(train.tags == 0),
        unknown=_counts(train.tags == UNKNOWN),
        catalogue=common.catalogue,
        log=common.log,
        common=common.common,
        untagged=common.untagged,
        trained=len(train),
        held_out=len(judged),
        ridge=ridge,
        independent_ridge=independent_ridge,
    )
    (folder / LEARNED_FILE).write_text(json.dumps(asdict(learned)))
    np.savez(
        folder / HELD_OUT_FILE,
        truth=judged.tags,
        labeller=forest.predict(judged.features).astype(np.int8),
        independent=independent.predict(judged.features).astype(np.int8),
    )


def read_learned(folder: Path) -> Learned:
    """`learned.json` of a trained labeller."""
    return TypeAdapter(Learned).validate_json((folder / LEARNED_FILE).read_bytes())


def best_ridge(kind: type[Any], items: LabelledItems, folds: int, seed: int) -> float:
    """The ridge of `RIDGES` whose models err on the fewest known tags of items they have not seen.

    Of equals the largest, which is the simpler model.
    """
    fold = np.random.default_rng(seed).permutation(len(items)) % folds
    errors = dict.fromkeys(sorted(RIDGES, reverse=True), 0)
    for ridge in errors:
        for index in range(folds):
            seen, unseen = items.select(fold != index), items.select(fold == index)
            seen, unseen = seen.with_labels(seen.taught), unseen.with_labels(seen.taught)
            predicted = fitted(kind(ridge=ridge), seen).predict(unseen.features)
            errors[ridge] += int(((predicted != unseen.tags) & (unseen.tags != UNKNOWN)).sum())
    return min(errors, key=lambda ridge: errors[ridge])


def fitted(classifier: Any, items: LabelledItems) -> Any:
    """The classifier after learning from `items`."""
    return classifier.fit(
        items.features, items.tags.astype(np.int64), feature_names=items.feature_names, label_names=items.labels
    )


def history_rows(rounds: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The rounds of learning as the report draws them: `step` from 1, edges left, total norm outside of the tree."""
    return [
        {"step": float(step), **{name: float(row[name]) for name in DRAWN_COLUMNS}}
        for step, row in enumerate(rounds, start=1)
    ]


def _counts(where: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(map(int, where.sum(axis=0)))
