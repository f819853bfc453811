"""The ranking benchmark's data: graded lists in base order, with clicks by the Seq2Slate paper's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.click_log import feature_columns, validate
from pipelines.readers import read_log
from pipelines.readers.read_logs import ReadLog, concatenate
from pipelines.simulation import SimulationSettings, simulate_marketplace
from pipelines.simulation.marketplace import CONTEXT_FEATURES, ITEM_FEATURES, Marketplace
from ranking.base_rankers import LambdaMART
from ranking.base_rankers.folds import cross_fit
from ranking.click_models import Cascade, ClickModel, DiverseClicks
from ranking.lists import ITEM_FIELDS, RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import DataError

VALIDATION_SHARE = 0.15
# What the paper calls diverse-clicks: no position bias, the median of the list's pairwise distances.
USER: ClickModel = DiverseClicks(Cascade(eta=0.0), quantile=0.5)
BASE = LambdaMART(label="grade", trees=400, learning_rate=0.1, patience=30, num_threads=1)


@dataclass(frozen=True)
class GradedSet:
    """A data set before anyone ranked it.

    Attributes:
        name: of the set.
        train, test: lists with raw features and grades.
        validation: likewise; None: `VALIDATION_SHARE` of the training lists, which then do not train.
        relevant_grade: items of this grade and above are clicked when examined.
        orders: base orders, each by other folds, in which the training lists appear: as many click samples.
    """

    name: str
    train: RankingLists
    test: RankingLists
    validation: RankingLists | None
    relevant_grade: float
    orders: int = 1


@dataclass(frozen=True)
class RankingTask:
    """Lists in base order with standardised features and clicks that fell on that order.

    Attributes:
        name: of the data set.
        train, validation, test: what re-rankers learn from, stop on and are measured on.
        relevant_grade: as in `GradedSet`.
        base_scores: of the validation and of the test items, in base order.
    """

    name: str
    train: RankingLists
    validation: RankingLists
    test: RankingLists
    relevant_grade: float
    base_scores: tuple[NDArray[np.float64], NDArray[np.float64]]


def prepare(graded: GradedSet, seed: int) -> RankingTask:
    """Train the base ranker on grades, put the lists into its order and simulate clicks on it.

    Training lists are ordered by models that have not seen them, so that their order is as good as that of new
    lists.
    """
    train, validation = graded.train, graded.validation
    if validation is None:
        shuffled = np.random.default_rng(seed).permutation(len(train))
        held_out = round(VALIDATION_SHARE * len(train))
        train, validation = train.select(np.sort(shuffled[held_out:])), train.select(np.sort(shuffled[:held_out]))
    standardisation = Standardisation.fit(train.features)
    base = replace(BASE, seed=seed)
    crossed = [cross_fit(base, train, folds=2 if len(train) > 5000 else 5, seed=seed + k) for k in range(graded.orders)]
    model = replace(base, trees=crossed[0].trees).fit(train)
    random = np.random.default_rng([seed, 1])

    def ordered(lists: RankingLists, scores: NDArray[np.float64]) -> RankingLists:
        lists = lists.with_features(standardisation.apply(lists.features)).reordered(scores)
        return lists.with_clicks(USER.clicks(lists, relevant(lists, graded.relevant_grade), random))

    scores = [model.score(lists) for lists in (validation, graded.test)]
    return RankingTask(
        name=graded.name,
        train=concatenated([ordered(train, cross.scores) for cross in crossed]),
        validation=ordered(validation, scores[0]),
        test=ordered(graded.test, scores[1]),
        relevant_grade=graded.relevant_grade,
        base_scores=(_in_base_order(validation, scores[0]), _in_base_order(graded.test, scores[1])),
    )


def relevant(lists: RankingLists, grade: float) -> NDArray[np.float32]:
    """1 where an item's grade is at least `grade`, float32 `[items]`."""
    if lists.grades is None:
        raise DataError("grade: the lists hold none; the benchmark simulates clicks from graded relevance")
    return (lists.grades >= grade).astype(np.float32)


def marketplace(requests: int, seed: int) -> GradedSet:
    """The simulated marketplace, graded by its truth: 70 % training, 10 % validation, 20 % test requests."""
    lists = _marketplace_lists(simulate_marketplace(SimulationSettings(requests=requests, seed=seed)))
    first, second = round(0.7 * requests), round(0.8 * requests)
    parts = [lists.select(np.arange(*ends)) for ends in ((0, first), (first, second), (second, requests))]
    return GradedSet("marketplace", parts[0], parts[2], parts[1], relevant_grade=1)


def letor(name: str, folder: Path, relevant_grade: float, max_list_size: int = 128) -> GradedSet:
    """MSLR-WEB10K/30K, Yahoo LTRC, Istella: files with train, vali and test in their names; vali may be absent.

    Raises:
        DataError: a part is missing.
    """
    parts: dict[str, list[Path]] = {part: sorted(folder.glob(f"*{part}*")) for part in ("train", "vali", "test")}
    for part in ("train", "test"):
        if not parts[part]:
            raise DataError(f"{folder} holds no file with {part!r} in its name; give the folder of one fold")
    files = [path for part in parts.values() for path in part[:1]]
    train, *validation, test = (as_lists([log]).top(max_list_size) for log in read_log(files, "letor"))
    return GradedSet(name, train, test, validation[0] if validation else None, relevant_grade)


def mq2008(folder: Path) -> GradedSet:
    """LETOR MQ2008: parts S1 to S3 train, S4 is measured on; a list has at most 121 documents."""
    files = [next(folder.glob(f"S{part}.txt*")) for part in (1, 2, 3, 4)]
    logs = read_log(files, "letor")
    return GradedSet("mq2008", as_lists(logs[:3]), as_lists(logs[3:]), None, relevant_grade=1, orders=5)


def lightgbm_example(folder: Path) -> GradedSet:
    """LightGBM's ranking example: 201 training and 50 test queries, grades 0 to 4."""
    files = [
        next(path for path in folder.glob(f"rank.{part}*") if ".query" not in path.name) for part in ("train", "test")
    ]
    train, test = read_log(files, "lightgbm")
    return GradedSet("lightgbm_lambdarank", as_lists([train]), as_lists([test]), None, relevant_grade=2, orders=5)


def as_lists(logs: Sequence[ReadLog]) -> RankingLists:
    """The requests of some files with raw features and grades."""
    table = validate(concatenate(logs).table).clean
    columns = feature_columns(table.column_names)
    requests = np.array(table["request_id"].to_pylist(), dtype=object)
    starts = np.flatnonzero(np.concatenate([[True], requests[1:] != requests[:-1]]))
    return RankingLists(
        request_ids=requests[starts],
        offsets=np.concatenate([starts, [len(requests)]]),
        item_ids=np.array(table["item_id"].to_pylist(), dtype=object),
        features=np.stack([table[name].to_numpy() for name in columns.names], axis=1),
        feature_names=columns.names,
        grades=table["grade"].to_numpy(),
    )


def concatenated(parts: Sequence[RankingLists]) -> RankingLists:
    """The lists of all `parts`, which have the same columns, one part after the other."""
    first = parts[0]
    sizes = np.concatenate([part.list_sizes for part in parts])
    columns: dict[str, Any] = {
        field: None if getattr(first, field) is None else np.concatenate([getattr(part, field) for part in parts])
        for field in ITEM_FIELDS
    }
    return replace(
        first,
        request_ids=np.concatenate([part.request_ids for part in parts]),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        **columns,
    )


def _in_base_order(lists: RankingLists, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores[lists.descending_order(scores)]


def _marketplace_lists(market: Marketplace) -> RankingLists:
    """All requests of `market` with their features; an item's grade is whether its user would want it."""
    log = market.log
    requests = np.array(log["request_id"].to_pylist(), dtype=object)
    starts = np.flatnonzero(np.concatenate([[True], requests[1:] != requests[:-1]]))
    names = CONTEXT_FEATURES + ITEM_FEATURES
    return RankingLists(
        request_ids=requests[starts],
        offsets=np.concatenate([starts, [len(requests)]]).astype(np.int64),
        item_ids=np.array(log["item_id"].to_pylist(), dtype=object),
        features=np.stack([log[name].to_numpy() for name in names], axis=1).astype(np.float32),
        feature_names=names,
        grades=market.truth["relevant"].to_numpy().astype(np.float32),
    )
