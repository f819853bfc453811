"""Hypothesis strategies and seeded generators of ranking lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ranking.lists import RankingLists


def lists_of(sizes: Sequence[int], features: int = 3, seed: int = 0, max_grade: int = 2) -> RankingLists:
    """Lists of the given sizes with normal features, random grades, clicks and logged positions."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    items = int(offsets[-1])
    grades = rng.integers(0, max_grade + 1, items).astype(np.float32)
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    return RankingLists(
        request_ids=np.array([f"r{i}" for i in range(len(sizes))], object),
        offsets=offsets,
        item_ids=np.array([f"i{i}" for i in range(items)], object),
        features=rng.normal(size=(items, features)).astype(np.float32),
        feature_names=tuple(f"feature_{i}" for i in range(features)),
        clicks=(grades > 0).astype(np.float32),
        grades=grades,
        positions=(np.arange(items) - starts + 1).astype(np.int32),
    )


@st.composite
def ranking_lists(draw: st.DrawFn, min_size: int = 0, max_size: int = 7, max_lists: int = 5) -> RankingLists:
    """Up to `max_lists` lists of `min_size` to `max_size` items."""
    sizes = draw(st.lists(st.integers(min_size, max_size), min_size=1, max_size=max_lists))
    return lists_of(sizes, seed=draw(st.integers(0, 2**16)))


def learnable_lists(lists: int, seed: int, noise: float = 0.5) -> RankingLists:
    """Lists of 5 to 12 items whose grade 0, 1 or 2 follows the first two features and noise."""
    rng = np.random.default_rng(seed)
    drawn = lists_of(rng.integers(5, 13, lists).tolist(), features=4, seed=seed)
    utility = drawn.features[:, 0] - 0.5 * drawn.features[:, 1] ** 2
    utility += noise * rng.normal(size=len(utility)).astype(np.float32)
    grades = (utility > 0.2).astype(np.float32) + (utility > 1.0)
    return RankingLists(
        drawn.request_ids,
        drawn.offsets,
        drawn.item_ids,
        drawn.features,
        drawn.feature_names,
        clicks=(grades > 0).astype(np.float32),
        grades=grades.astype(np.float32),
        positions=drawn.positions,
    )
