"""One column as text, times or numbers, whatever type it was stored in."""

import datetime
import decimal
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.log_columns import number_column, text_column, time_column
from seriatim_errors import DataError

NEW_YEAR = 1_704_067_200_000_000


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    "values",
    [
        column([1.5, None, 3.0]),
        column([1.5, None, 3.0], pa.float32()),
        column(np.array([1.5, 0, 3.0], np.float16)),
        column([decimal.Decimal("1.50"), None, decimal.Decimal("3.00")]),
        column(["1.5", None, " 3 "]),
        column(["1.5", "NA", "3e0"], pa.large_string()),
    ],
    ids=lambda values: str(values.type),
)
def test_every_numeric_type_gives_the_same_numbers(values):
    numbers = number_column("price", values)
    assert numbers.values.tolist() == [1.5, 0, 3]
    assert not numbers.unreadable.any()


def test_half_floats_in_several_chunks_keep_their_nulls():
    chunk = pa.array([1.5, None], pa.float32())
    halves = [pa.array([np.float16(1.5), None], pa.float16()), pa.array([None, np.float16(2)], pa.float16())]
    numbers = number_column("price", pa.chunked_array(halves))
    assert numbers.missing.tolist() == [False, True, True, False]
    assert numbers.values.tolist() == [1.5, 0, 0, 2]
    assert number_column("price", pa.chunked_array([chunk])).missing.tolist() == [False, True]


def test_missing_unreadable_and_not_finite_text_are_told_apart():
    numbers = number_column("price", column(["1", "", "NA", "free", "nan", "inf", "True", "2"]))
    assert numbers.missing.tolist() == [False, True, True, False, False, False, False, False]
    assert numbers.unreadable.tolist() == [False, False, False, True, False, False, False, False]
    np.testing.assert_array_equal(numbers.values, [1, 0, 0, 0, math.nan, math.inf, 1, 2])


def test_a_column_without_any_value_is_all_missing():
    assert number_column("price", column([None, None])).missing.all()


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_written_as_text_are_read_back_exactly(values):
    numbers = number_column("price", column([repr(value) for value in values]))
    np.testing.assert_allclose(numbers.values, values, rtol=1e-15)
    assert not numbers.missing.any()


@pytest.mark.parametrize(
    "values",
    [
        column([NEW_YEAR, None]),
        column([NEW_YEAR, None], pa.uint64()),
        column(["2024-01-01T00:00:00", None]),
        column(["2024-01-01T01:00:00+01:00", ""], pa.large_string()),
        column([datetime.date(2024, 1, 1), None]),
        column([datetime.date(2024, 1, 1), None], pa.date64()),
        column([datetime.datetime(2024, 1, 1), None], pa.timestamp("s")),
        column([datetime.datetime(2024, 1, 1), None], pa.timestamp("ns", "Europe/Berlin")),
    ],
    ids=lambda values: str(values.type),
)
def test_every_type_of_time_gives_the_same_microseconds(values):
    times = time_column("timestamp", values)
    assert times.missing.tolist() == [False, True]
    assert times.microseconds.tolist() == [NEW_YEAR, 0]


def test_identifiers_are_text_and_empty_where_missing():
    assert text_column("item_id", column([7, None])).to_pylist() == ["7", ""]
    assert text_column("item_id", column(["007", None], pa.large_string())).to_pylist() == ["007", ""]


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (text_column, [0.5], "column 'x' holds double; give strings or whole numbers"),
        (text_column, [{"a": 1}], "column 'x' holds struct"),
        (time_column, [0.5], "column 'x' holds double; give timestamps"),
        (time_column, ["soon"], "holds string such as 'soon'; give timestamps"),
        (number_column, [[1.0]], "column 'x' holds list.*--ignore-column"),
        (number_column, ["red", "blue", "1"], "holds string such as 'red'; give numbers"),
        (number_column, [b"1"], "column 'x' holds binary"),
    ],
)
def test_a_column_of_another_type_is_named_with_the_way_out(read, values, message):
    with pytest.raises(DataError, match=message):
        read("x", column(values))
