"""One way of evaluating so many requests, in a process of its own, for memory that others used stays with a process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peak_memory import PeakMemory
from ranking.lists import RankingLists
from ranking.metrics import EvaluationStream, MetricInterval, evaluate_lists

LIST_SIZE, CLICK_RATE, CUTOFFS = 10, 0.15, (5, 10)
CHUNK, SAMPLES = 50_000, 1000
SCIKIT_LEARN_REQUESTS = 1000
METRIC = "ndcg_at_10"
DRAWN_AT_ONCE = 1 << 22

Chunk = tuple[RankingLists, dict[str, NDArray[np.float64]], NDArray[np.float32]]
Row = dict[str, Any]


def main(way: str, requests: int, limit: float) -> None:
    """Print the row of one way as JSON; `limit` seconds for intervals that may not all be drawn in time."""
    memory = PeakMemory()
    row = WAYS[way](requests, limit)
    print(json.dumps(row | {"peak_mib": memory.mebibytes()}))


def chunks(requests: int) -> Iterator[Chunk]:
    """Requests of ten items in chunks: two policies, of which `better` knows a little of the clicks."""
    names = np.array([f"item-{place}" for place in range(LIST_SIZE)], object)
    for start in range(0, requests, CHUNK):
        count = min(CHUNK, requests - start)
        rng = np.random.default_rng(start)
        clicks = (rng.random(count * LIST_SIZE) < CLICK_RATE).astype(np.float32)
        lists = RankingLists(
            request_ids=np.arange(start, start + count).astype(str).astype(object),
            offsets=np.arange(count + 1) * LIST_SIZE,
            item_ids=np.tile(names, count),
            features=np.zeros((count * LIST_SIZE, 1), np.float32),
            feature_names=("nothing",),
            clicks=clicks,
        )
        yield lists, {"base": rng.random(len(clicks)), "better": rng.random(len(clicks)) + 0.1 * clicks}, clicks


def in_chunks(requests: int, _: float) -> Row:
    """`EvaluationStream`, a chunk at a time; making the chunks is not counted."""
    return _streamed(chunks(requests))


def at_once(requests: int, _: float) -> Row:
    """`EvaluationStream`, all requests in one chunk, which counts in the memory."""
    return _streamed(iter([joined(requests)]))


def plain(requests: int, limit: float) -> Row:
    """A percentile bootstrap of each metric by itself that draws every request, until the time is up."""
    lists, scores, clicks = joined(requests)
    start = time.perf_counter()
    values = {name: evaluate_lists(lists, each, clicks, CUTOFFS) for name, each in scores.items()}
    evaluated = time.perf_counter() - start
    columns = [each for metrics in values.values() for each in metrics.values()]
    columns += [values["better"][metric] - each for metric, each in values["base"].items()]
    # The one whose width is compared comes first, so that it is always there.
    columns.insert(0, columns.pop(list(values["base"]).index(METRIC)))
    start, done = time.perf_counter(), 0
    low = high = float("nan")
    for column in columns:
        ends = _percentiles(column[~np.isnan(column)])
        low, high = ends if done == 0 else (low, high)
        done += 1
        if time.perf_counter() - start > limit:
            break
    each = (time.perf_counter() - start) / done
    return _row(evaluated, each * len(columns), done / len(columns), high - low)


def scikit_learn(requests: int, _: float) -> Row:
    """A loop over few of the requests: scikit-learn's NDCG at three depths and average precision, no intervals."""
    from sklearn.metrics import average_precision_score, ndcg_score

    few = min(requests, SCIKIT_LEARN_REQUESTS)
    _, scores, clicks = joined(few)
    relevant = clicks.reshape(few, LIST_SIZE)
    # The first calls import what they need.
    ndcg_score([[1, 0]], [[1, 0]])
    average_precision_score([1, 0], [1, 0])
    start = time.perf_counter()
    for each in scores.values():
        for labels, predicted in zip(relevant, each.reshape(few, LIST_SIZE), strict=True):
            if labels.any():
                for cutoff in (None, *CUTOFFS):
                    ndcg_score([labels], [predicted], k=cutoff)
                average_precision_score(labels, predicted)
    return _row((time.perf_counter() - start) * requests / few, float("nan"), few / requests, float("nan"))


def joined(requests: int) -> Chunk:
    """All chunks as one."""
    parts = list(chunks(requests))
    first = parts[0][0]
    columns = {
        name: np.concatenate([getattr(lists, name) for lists, _, _ in parts])
        for name in ("request_ids", "item_ids", "features", "clicks")
    }
    lists = RankingLists(offsets=np.arange(requests + 1) * LIST_SIZE, feature_names=first.feature_names, **columns)
    scores = {name: np.concatenate([each[name] for _, each, _ in parts]) for name in parts[0][1]}
    return lists, scores, columns["clicks"]


def _streamed(parts: Iterator[Chunk]) -> Row:
    stream = EvaluationStream("base", CUTOFFS, samples=SAMPLES)
    evaluated = 0.0
    for lists, scores, clicks in parts:
        start = time.perf_counter()
        stream.add(lists, scores, clicks)
        evaluated += time.perf_counter() - start
    start = time.perf_counter()
    found: MetricInterval = stream.intervals().policies["base"][METRIC]
    return _row(evaluated, time.perf_counter() - start, 1.0, found.high - found.low)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    block = max(1, DRAWN_AT_ONCE // len(values))
    means = [
        values[rng.integers(len(values), size=(min(block, SAMPLES - start), len(values)))].mean(axis=1)
        for start in range(0, SAMPLES, block)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def _row(evaluation: float, intervals: float, measured: float, width: float) -> Row:
    return {"evaluation_s": evaluation, "intervals_s": intervals, "measured_share": measured, "width": width}


WAYS: dict[str, Callable[[int, float], Row]] = {
    "in_chunks": in_chunks,
    "at_once": at_once,
    "plain": plain,
    "scikit_learn": scikit_learn,
}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
