"""Which slice a request is in, and what is said of columns that tell no slices."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.click_log import FeatureColumns
from pipelines.config import EvaluationConfig
from pipelines.evaluated_columns import require_evaluated_columns
from pipelines.evaluation.slice_columns import slice_requests, sliced_by, values_of_requests
from pipelines.ingest import PreparedLog
from pipelines.slices_config import SliceConfig
from ranking.lists import RankingLists
from seriatim_errors import DataError


def lists_of(sizes, clicks=None, **columns):
    """Requests of these sizes; a column is given a value an item."""
    items = sum(sizes)
    return RankingLists(
        request_ids=np.array([f"r{index}" for index in range(len(sizes))], object),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        item_ids=np.array([f"i{index}" for index in range(items)], object),
        features=np.stack([np.array(column, np.float32) for column in columns.values()], axis=1),
        feature_names=tuple(columns),
        clicks=None if clicks is None else np.array(clicks, np.float32),
    )


def by(column, **given):
    return SliceConfig(column=column, **given)


def test_requests_are_sliced_by_a_column_by_their_candidates_and_by_their_clicks():
    lists = lists_of([2, 3, 1], [1, 0, 0, 1, 1, 0], context_mobile=[1, 1, 0, 0, 0, 1])
    candidates, clicks, mobile = slice_requests(lists, [by("context_mobile")])
    assert (mobile.column, mobile.names, mobile.index.tolist()) == ("context_mobile", ("0", "1"), [1, 0, 1])
    assert (clicks.names, clicks.index.tolist()) == (("up to 0", "1", "2"), [1, 2, 0])
    assert candidates.names[-1] == "3 and more"
    assert candidates.index[1] == len(candidates.names) - 1


def test_a_log_without_clicks_is_not_sliced_by_them():
    assert [found.column for found in slice_requests(lists_of([2], price=[1, 2]), [])] == ["candidates_in_request"]


@pytest.mark.parametrize(
    ("values", "given", "names", "index"),
    [
        ([0.1, 1, 0, 1], {}, ("0", "0.1", "1"), [1, 2, 0, 2]),
        ([-0.0, 0.0, 16777218], {}, ("0", "16777218"), [0, 0, 1]),
        ([0.25, 2, 3], {"bounds": (0.5, 3)}, ("below 0.5", "0.5 to below 3", "3 and more"), [0, 1, 2]),
        ([1, 2, 4, 9], {"bounds": (2, 3, 5)}, ("up to 1", "2", "3 to 4", "5 and more"), [0, 1, 2, 3]),
        ([7, 7, 7], {"buckets": 4}, ("all",), [0, 0, 0]),
        ([0, 0, 0, 0, 0, 0, 1, 2], {"buckets": 4}, ("up to 0", "1 and more"), [0, 0, 0, 0, 0, 0, 1, 1]),
        ([0.123456, 0.223456, 0.323456, 0.423456], {"buckets": 2}, ("below 0.3235", "0.3235 and more"), [0, 0, 0, 1]),
        ([0, 0.1234561, 0.1234562], {"buckets": 3}, ("below 0.1234561",), [0]),
    ],
)
def test_values_and_buckets_are_named_as_a_person_would(values, given, names, index):
    found = sliced_by(by("context_x", **given), np.array(values, np.float32))
    assert found.names[: len(names)] == names
    assert found.index[: len(index)].tolist() == index


@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60), buckets=st.integers(2, 8))
@settings(deadline=None)
def test_buckets_follow_the_order_of_the_values_and_none_is_empty(values, buckets):
    numbers = np.array(values, np.float32)
    found = sliced_by(by("context_x", buckets=buckets), numbers)
    assert len(set(found.names)) == len(found.names) <= buckets
    assert set(found.index.tolist()) == set(range(len(found.names)))
    assert (np.diff(found.index[np.argsort(numbers)]) >= 0).all()


def test_quantile_buckets_hold_about_as_many_requests_each():
    found = sliced_by(by("context_x", buckets=5), np.random.default_rng(0).random(1000))
    assert np.abs(np.bincount(found.index) - 200).max() <= 2


def test_a_request_without_items_does_not_shift_the_others():
    found = values_of_requests("c", np.array([5, 5, 7], np.float32), np.array([0, 0, 2, 2, 3, 3]), np.arange(5))
    assert found.tolist() == [0, 5, 0, 7, 0]


def test_a_column_that_differs_within_a_request_is_named_with_request_and_values():
    lists = lists_of([1, 2], item_price=[3, 1, 2.5])
    with pytest.raises(DataError, match=r"'item_price' differs within request 'r1' \(1 and 2.5\).*name a context"):
        slice_requests(lists, [by("item_price")])


def test_an_unknown_column_is_named_with_those_that_are_there():
    with pytest.raises(DataError, match=r"'context_market' is none of the log's features \(context_mobile\); name one"):
        slice_requests(lists_of([1], context_mobile=[1]), [by("context_market")])


def test_a_column_of_too_many_values_is_told_to_have_buckets():
    values = np.arange(501)
    with pytest.raises(DataError, match=r"'c' has 501 values, and 500 .* such as \{column: c, buckets: 4\}"):
        sliced_by(by("c"), values)
    assert len(sliced_by(by("c"), values[:500]).names) == 500
    assert len(sliced_by(by("c", buckets=4), values).names) == 4


@pytest.fixture
def log(tmp_path):
    """A prepared log whose evaluation requests are two."""
    table = pa.table(
        {
            "request_id": ["a", "a", "b"],
            "context_mobile": pa.array([1, 1, 0], pa.float32()),
            "price": pa.array([1, 2, 3], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "eval.parquet")
    columns = FeatureColumns(("context_mobile",), ("price",))
    return PreparedLog(tmp_path, "f00d", columns, ("clicked",), {}, {}, {}, {}, {}, {})


def test_columns_are_refused_before_anything_is_trained(log):
    require_evaluated_columns(EvaluationConfig(), log)
    require_evaluated_columns(EvaluationConfig(slices=[by("context_mobile")]), log)
    require_evaluated_columns(EvaluationConfig(slices=[by("context_mobile", buckets=2)]), log)
    with pytest.raises(DataError, match="'context_hour' is none of"):
        require_evaluated_columns(EvaluationConfig(slices=[by("context_hour")]), log)
    with pytest.raises(DataError, match="'price' differs within request 'a'"):
        require_evaluated_columns(EvaluationConfig(slices=[by("context_mobile"), by("price")]), log)


def test_item_columns_are_refused_before_anything_is_trained(log):
    require_evaluated_columns(EvaluationConfig(item_groups=[by("price", buckets=2)], diversity=["price"]), log)
    with pytest.raises(DataError, match=r"evaluation.item_groups: column 'context_mobile' is none of the item's"):
        require_evaluated_columns(EvaluationConfig(item_groups=[by("context_mobile")]), log)
    with pytest.raises(DataError, match=r"evaluation.diversity: column 'colour' is none of the item's features"):
        require_evaluated_columns(EvaluationConfig(diversity=["colour"]), log)
