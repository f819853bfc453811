"""Exposure by hand, and that it is shared out whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.lists import RankingLists
from ranking.metrics import exposure, rows_by_group, sums_by_request


def lists_of(sizes):
    items = int(sum(sizes))
    return RankingLists(
        request_ids=np.array([f"r{i}" for i in range(len(sizes))], object),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        item_ids=np.array([f"i{i}" for i in range(items)], object),
        features=np.zeros((items, 1), np.float32),
        feature_names=("price",),
    )


def test_attention_falls_with_the_rank_and_ends_with_the_slate():
    lists = lists_of([3, 1])
    seen = exposure(lists, np.array([0.1, 0.9, 0.5, 0.0]), 2)
    assert seen.tolist() == [0.0, 1.0, pytest.approx(1 / np.log2(3)), 1.0]


def test_ties_keep_the_order_of_the_list():
    assert exposure(lists_of([2]), np.zeros(2), 1).tolist() == [1.0, 0.0]


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 100))
def test_every_slate_shares_out_the_same_attention_among_groups(sizes, slate_size, seed):
    lists, rng = lists_of(sizes), np.random.default_rng(seed)
    seen = exposure(lists, rng.normal(size=sum(sizes)), slate_size)
    group = rng.integers(3, size=sum(sizes))
    groups = rows_by_group(group, 3)
    assert [rows.tolist() for rows in groups] == [np.flatnonzero(group == number).tolist() for number in range(3)]
    by_group = sum(sums_by_request(lists.list_index, seen, rows, len(lists)) for rows in groups)
    whole = [sum(1 / np.log2(1 + rank) for rank in range(1, min(size, slate_size) + 1)) for size in sizes]
    np.testing.assert_allclose(by_group, whole)
