from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.lists import RankingLists
from seriatim_errors import DataError
from tests.ranking.generated_lists import lists_of, ranking_lists


@given(lists=ranking_lists())
@settings(deadline=None)
def test_rows_by_list_size_hold_every_row_once_and_never_mix_lists(lists: RankingLists) -> None:
    blocks = list(lists.rows_by_list_size(max_items=6))
    rows = np.concatenate([block.ravel() for block in blocks]) if blocks else np.zeros(0, np.int64)
    assert sorted(rows) == list(range(len(lists.item_ids)))
    for block in blocks:
        assert block.shape[0] == 1 or block.size <= 6
        index = lists.list_index[block]
        assert (index == index[:, :1]).all()
        assert (lists.list_sizes[index[:, 0]] == block.shape[1]).all()


@given(lists=ranking_lists(), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_reordering_sorts_each_list_and_carries_every_field_along(lists: RankingLists, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 3, len(lists.item_ids)).astype(float)
    shown = lists.reordered(scores)
    score_of = dict(zip(lists.item_ids, scores, strict=True))
    row_of = {item: row for row, item in enumerate(lists.item_ids)}
    for start, end in zip(lists.offsets[:-1], lists.offsets[1:], strict=True):
        expected = sorted(lists.item_ids[start:end], key=lambda item: (-score_of[item], row_of[item]))
        assert list(shown.item_ids[start:end]) == expected
    back = [row_of[item] for item in shown.item_ids]
    assert shown.features.tolist() == lists.features[back].tolist()
    assert shown.grades is not None
    assert lists.grades is not None
    assert shown.grades.tolist() == lists.grades[back].tolist()


@given(lists=ranking_lists(), width=st.integers(1, 9))
@settings(deadline=None)
def test_padding_keeps_the_head_of_each_list_and_zeros_after_it(lists: RankingLists, width: int) -> None:
    dense = lists.padded(list_size=width)
    assert lists.clicks is not None
    for index in range(len(lists)):
        start, size = lists.offsets[index], min(width, lists.list_sizes[index])
        assert dense.mask[index].tolist() == [True] * size + [False] * (width - size)
        assert dense.labels[index, :size].tolist() == lists.clicks[start : start + size].tolist()
        assert dense.features[index, :size].tolist() == lists.features[start : start + size].tolist()
        assert not dense.features[index, size:].any()
        assert not dense.labels[index, size:].any()


@given(lists=ranking_lists(), head=st.integers(0, 5))
@settings(deadline=None)
def test_the_top_of_a_list_is_its_first_items(lists: RankingLists, head: int) -> None:
    top = lists.top(head)
    assert top.list_sizes.tolist() == [min(head, size) for size in lists.list_sizes]
    for index in range(len(lists)):
        first, cut = lists.offsets[index], top.offsets[index]
        size = top.list_sizes[index]
        assert list(top.item_ids[cut : cut + size]) == list(lists.item_ids[first : first + size])


def test_selection_by_index_and_by_mask_agree() -> None:
    lists = lists_of([2, 0, 3, 1])
    by_mask = lists.select(np.array([False, False, True, True]))
    by_index = lists.select([2, 3])
    assert by_mask.item_ids.tolist() == by_index.item_ids.tolist() == ["i2", "i3", "i4", "i5"]
    assert lists.select([3, 0]).item_ids.tolist() == ["i5", "i0", "i1"]


def test_batches_cover_the_lists_in_order() -> None:
    lists = lists_of([2, 1, 3])
    batches = list(lists.batches(2))
    assert [len(batch) for batch in batches] == [2, 1]
    assert np.concatenate([batch.item_ids for batch in batches]).tolist() == lists.item_ids.tolist()


def test_a_feature_that_is_not_finite_is_named_with_its_item() -> None:
    lists = lists_of([2, 2])
    features = lists.features.copy()
    features[2, 1] = np.nan
    with pytest.raises(DataError, match=r"'feature_1' of item 'i2' is nan"):
        lists.with_features(features)


def test_a_field_of_the_wrong_length_is_named() -> None:
    with pytest.raises(DataError, match="clicks: 3 rows for 4 items"):
        lists_of([2, 2]).with_clicks(np.zeros(3, np.float32))


def test_offsets_that_do_not_match_the_requests_are_refused() -> None:
    lists = lists_of([2, 2])
    with pytest.raises(DataError, match="offsets: 3 values for 1 requests"):
        replace(lists, request_ids=lists.request_ids[:1])


def test_a_feature_matrix_without_a_name_for_each_column_is_refused() -> None:
    with pytest.raises(DataError, match="2 feature names"):
        replace(lists_of([2, 2]), feature_names=("a", "b"))
