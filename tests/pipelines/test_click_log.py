"""The click-log contract: what it refuses, what it sets aside, what it keeps."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.click_log import feature_columns, validate
from seriatim_errors import DataError
from tests.pipelines.logs import small_log, with_value


def test_a_valid_log_keeps_every_row_and_has_contract_types():
    validated = validate(small_log(propensity=[0.5] * 12, weight=[1.0] * 12))
    assert len(validated.clean) == 12
    assert len(validated.quarantine) == 0
    types = {field.name: str(field.type) for field in validated.clean.schema}
    assert types["timestamp"] == "timestamp[us]"
    assert types["position"] == "int32"
    assert types["clicked"] == "int8"
    assert types["item_price"] == "float"


def test_features_are_context_first_and_reserved_or_tag_columns_are_none():
    names = ["item_price", "request_id", "context_hour", "tag_new", "weight", "affinity"]
    columns = feature_columns(names)
    assert columns.names == ("context_hour", "item_price", "affinity")
    assert columns.context == ("context_hour",)


@pytest.mark.parametrize("column", ["request_id", "timestamp", "item_id", "position"])
def test_a_missing_required_column_is_named(column):
    with pytest.raises(DataError, match=f"column '{column}' is missing"):
        validate(small_log(**{column: None}))


def test_a_log_without_clicks_and_grades_is_refused():
    with pytest.raises(DataError, match="neither a column 'clicked' nor 'grade'"):
        validate(small_log(clicked=None))


def test_a_log_without_candidate_features_is_refused():
    with pytest.raises(DataError, match="no candidate feature"):
        validate(small_log(item_price=None, affinity=None))


def test_an_empty_log_is_refused():
    with pytest.raises(DataError, match="no rows"):
        validate(small_log().slice(0, 0))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("position", ["first"] * 12, "column 'position' holds string such as 'first'"),
        ("item_price", ["cheap"] * 12, "column 'item_price' holds string such as 'cheap'"),
        ("item_price", [[1.0]] * 12, "column 'item_price' holds list"),
        ("timestamp", ["yesterday"] * 12, "column 'timestamp' holds string such as 'yesterday'"),
        ("request_id", [0.5] * 12, "column 'request_id' holds double"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(column, values, message):
    with pytest.raises(DataError, match=message):
        validate(small_log(**{column: values}))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("position", -1, "position is not a whole number from 1"),
        ("position", 0, "position is not a whole number from 1"),
        ("clicked", 2, "clicked is not 0 or 1"),
        ("clicked", None, "clicked is missing"),
        ("request_id", None, "request_id is missing"),
        ("item_id", "", "item_id is missing"),
        ("item_price", math.nan, "item_price is not finite"),
        ("item_price", math.inf, "item_price is not finite"),
        ("item_price", 1e300, "item_price is not finite"),
        ("context_hour", 99.0, "context_hour differs within its request"),
        ("position", 1, "the position is taken twice in its request"),
        ("item_id", "i0", "the item stands twice in its request"),
        ("timestamp", None, "timestamp is missing or unreadable"),
    ],
)
def test_a_bad_row_goes_to_quarantine_with_its_reason(column, value, reason):
    validated = validate(with_value(small_log(), column, 4, value))
    assert validated.reasons == {reason: 1}
    assert validated.quarantine["quarantine_row"].to_pylist() == [5]
    assert len(validated.clean) == 11


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("propensity", 0.0, "propensity is not in (0, 1]"),
        ("propensity", 1.5, "propensity is not in (0, 1]"),
        ("weight", -1.0, "weight is negative or not finite"),
        ("grade", -2.0, "grade is negative or not finite"),
    ],
)
def test_optional_columns_are_checked_where_they_are(column, value, reason):
    log = small_log(**{column: [0.5] * 12})
    assert validate(with_value(log, column, 3, value)).reasons == {reason: 1}


def test_a_few_unreadable_numbers_are_set_aside_not_fatal():
    prices = ["1.5"] * 12
    prices[7] = "free"
    validated = validate(small_log(item_price=prices))
    assert validated.reasons == {"item_price is not a number": 1}
    assert validated.clean["item_price"].to_pylist()[0] == 1.5


def test_a_null_feature_becomes_the_default_and_is_counted():
    validated = validate(with_value(small_log(), "item_price", 2, None))
    assert validated.defaulted == {"item_price": 1}
    assert validated.clean["item_price"].to_pylist()[2] == 0.0


def test_the_first_of_two_equal_rows_stays():
    log = pa.concat_tables([small_log(), small_log()])
    validated = validate(log)
    assert len(validated.clean) == 12
    assert validated.reasons == {"the item stands twice in its request": 12}


@settings(deadline=None, max_examples=60)
@given(
    positions=st.lists(st.one_of(st.none(), st.integers(-2, 6)), min_size=12, max_size=12),
    clicks=st.lists(st.one_of(st.none(), st.integers(-1, 2)), min_size=12, max_size=12),
    prices=st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=12, max_size=12),
)
def test_every_row_is_either_clean_or_in_quarantine_with_a_reason(positions, clicks, prices):
    log = small_log(
        position=pa.array(positions, pa.int64()),
        clicked=pa.array(clicks, pa.int64()),
        item_price=pa.array(prices, pa.float64()),
    )
    validated = validate(log)
    assert len(validated.clean) + len(validated.quarantine) == 12
    assert sum(validated.reasons.values()) == len(validated.quarantine)
    assert all(reason for reason in validated.quarantine["quarantine_reason"].to_pylist())
    assert np.isfinite(validated.clean["item_price"].to_numpy()).all()
    assert (validated.clean["position"].to_numpy() >= 1).all()
