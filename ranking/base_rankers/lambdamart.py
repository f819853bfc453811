"""LambdaMART by LightGBM: boosted trees that learn the order of a list."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.relevance_labels import (
    Label,
    check_trainable,
    relevance_labels,
    with_relevant_items,
)
from ranking.lists import RankingLists
from seriatim_errors import ConfigError, DataError, TrainingError

if TYPE_CHECKING:
    import lightgbm

CUTOFF = 10
HELD_OUT_METRIC = f"ndcg_at_{CUTOFF}"
ITEMS_A_THREAD = 50_000
_SMALLEST = {"trees": 1, "leaves": 2, "patience": 0, "min_data_in_leaf": 0, "truncation_level": 1}


@dataclass(frozen=True)
class LambdaMART:
    """A plan for LambdaMART on raw features.

    Do not call `fit` in a process that has run TensorFlow, where LightGBM trains many times slower: see
    `ranking.base_rankers.isolated`.

    Attributes:
        label: learn from clicks (`clicked`) or from grades (`grade`).
        trees: most trees, >= 1.
        leaves: most leaves of a tree, >= 2.
        learning_rate: shrinkage of each tree, > 0.
        patience: trees without gain in held-out NDCG@10 before training stops; 0: never.
        min_data_in_leaf: fewest items in a leaf.
        feature_fraction: share of the features that each tree may use, in (0, 1].
        bagging_fraction: share of the lists that each tree is grown on, in (0, 1].
        truncation_level: pairs count when one of their items ranks at or above it.
        seed: fixes what is drawn at random.
        num_threads: None for `default_threads`; the result does not depend on it.

    Raises:
        ConfigError: a setting is outside its range.

    Source: Burges, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82.
    """

    label: Label = "clicked"
    trees: int = 400
    leaves: int = 15
    learning_rate: float = 0.05
    patience: int = 50
    min_data_in_leaf: int = 20
    feature_fraction: float = 1.0
    bagging_fraction: float = 1.0
    truncation_level: int = 1000
    seed: int = 0
    num_threads: int | None = None

    def __post_init__(self) -> None:
        if self.label not in get_args(Label):
            raise ConfigError(f"LambdaMART label: {self.label!r}; choose one of {', '.join(get_args(Label))}")
        for name, smallest in _SMALLEST.items():
            value = getattr(self, name)
            if not value >= smallest:
                raise ConfigError(f"LambdaMART {name}: {value}; give {smallest} or more")
        for name in ("feature_fraction", "bagging_fraction"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigError(f"LambdaMART {name}: {value}; give a share above 0 and at most 1")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"LambdaMART learning_rate: {self.learning_rate}; give a finite number above 0")

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> TrainedLambdaMART:
        """Train on all of `train`; with `validation`, keep as many trees as rank it best.

        Raises:
            DataError: the label's column is missing or holds values that are no grades, there is no feature, or
                `validation` has other ones.
            TrainingError: no list of `train` has an order to learn with weight, or none of `validation` has a
                relevant item.
        """
        booster = self.booster(train, validation)
        curve: list[dict[str, float]] = []
        best, trees = -np.inf, self.trees
        for step in range(1, self.trees + 1):
            stopped = booster.update()
            if validation is not None:
                score = held_out_score(booster)
                curve.append({"step": float(step), HELD_OUT_METRIC: score})
                if score > best:
                    best, trees = score, step
                if self.patience and step - trees >= self.patience:
                    break
            if stopped:
                break
        trees = min(trees, booster.current_iteration())
        return TrainedLambdaMART(booster.model_to_string(num_iteration=trees), trees, tuple(curve))

    def booster(self, train: RankingLists, validation: RankingLists | None) -> lightgbm.Booster:
        """A LightGBM booster without trees yet, with `validation` (lists with a relevant item) attached."""
        import lightgbm

        check_trainable(train, self.label)
        if not train.feature_names:
            raise DataError("features: the lists have none to grow trees on; give at least one column")
        if train.weights is not None and not train.weights.any():
            raise TrainingError("weights: every item weighs 0, so there is nothing to learn; give some weight")
        data = self._dataset(train)
        booster = lightgbm.Booster(self._parameters(len(train.item_ids)), data)
        if validation is not None:
            if validation.feature_names != train.feature_names:
                raise DataError(
                    f"features: training lists have {', '.join(train.feature_names)}, validation lists "
                    f"{', '.join(validation.feature_names)}; give both the same columns"
                )
            counted = with_relevant_items(validation, self.label)
            if len(counted) == 0:
                raise TrainingError(
                    f"label {self.label!r}: no relevant item in the {len(validation)} validation lists; give some "
                    "that have one, or none at all and a fixed number of trees"
                )
            booster.add_valid(self._dataset(counted, reference=data), "held_out")
        return booster

    def _dataset(self, lists: RankingLists, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        import lightgbm

        sizes = lists.list_sizes
        return lightgbm.Dataset(
            lists.features,
            relevance_labels(lists, self.label),
            group=sizes[sizes > 0],
            weight=lists.weights,
            reference=reference,
            feature_name=_tree_names(lists.feature_names),
            params={"verbosity": -1},
        )

    def _parameters(self, items: int) -> dict[str, Any]:
        return {
            "objective": "lambdarank",
            "metric": "ndcg",
            "eval_at": [CUTOFF],
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_data_in_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": int(self.bagging_fraction < 1),
            "bagging_by_query": True,
            "lambdarank_truncation_level": self.truncation_level,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.num_threads or default_threads(items),
            "verbosity": -1,
        }


@dataclass(frozen=True)
class TrainedLambdaMART:
    """Trees in LightGBM's text form.

    Attributes:
        model_text: what LightGBM loads; reads features in the order of the training lists' columns.
        trees: how many trees it has.
        curve: held-out NDCG@10 (lists without a relevant item left out) after each tree: `step` and
            `ndcg_at_10`; empty when nothing was held out.
    """

    model_text: str
    trees: int
    curve: tuple[dict[str, float], ...] = ()

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Sums of leaf values, float64 `[items]`.

        Raises:
            DataError: the lists have another number of features than the training lists.
        """
        if len(lists.feature_names) != self._booster.num_feature():
            raise DataError(
                f"features: the lists have {len(lists.feature_names)}, the trees were grown on "
                f"{self._booster.num_feature()}; give the same columns"
            )
        if len(lists.item_ids) == 0:
            return np.zeros(0)
        return np.asarray(self._booster.predict(lists.features, num_threads=1), np.float64)

    @cached_property
    def _booster(self) -> lightgbm.Booster:
        import lightgbm

        return lightgbm.Booster(model_str=self.model_text)


def held_out_score(booster: lightgbm.Booster) -> float:
    """NDCG@10 of the lists attached to `booster` as validation; nan when none of them has a relevant item."""
    return float(booster.eval_valid()[0][2])


def default_threads(items: int) -> int:
    """Threads to grow trees on `items` items with, one per `ITEMS_A_THREAD` as far as there are cores.

    Each tree is many short parallel loops; on few items their synchronisation costs more than it saves.
    """
    return max(1, min(items // ITEMS_A_THREAD, usable_cores()))


def usable_cores() -> int:
    """The cores this process may run on less one left to others, at least one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def _tree_names(names: tuple[str, ...]) -> list[str] | str:
    """The names for the model text, or LightGBM's own where one holds a character that it refuses."""
    safe = all(re.fullmatch(r"[\w.\-]+", name, re.ASCII) for name in names)
    return list(names) if safe and len(set(names)) == len(names) else "auto"
