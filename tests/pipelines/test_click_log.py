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
        ("position", 2**31, "position is not a whole number from 1"),
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
        ("propensity", math.nan, "propensity is not in (0, 1]"),
        ("propensity", None, "propensity is missing"),
        ("weight", -1.0, "weight is negative or not finite"),
        ("weight", 1e300, "weight is negative or not finite"),
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


def test_nulls_of_rows_in_quarantine_are_not_counted_as_defaults():
    log = with_value(with_value(small_log(), "item_price", 2, None), "clicked", 2, 9)
    assert validate(log).defaulted == {"item_price": 0}


def test_text_that_says_nan_is_no_null():
    validated = validate(small_log(item_price=["nan", *["1"] * 11]))
    assert validated.reasons == {"item_price is not finite": 1}


def test_a_request_has_one_user_and_may_have_none():
    users = ["u1"] * 3 + [None] * 3 + ["u2", "u2", "u3"] + ["u4"] * 3
    validated = validate(small_log(user_id=users))
    assert validated.reasons == {"user_id differs within its request": 1}
    assert validated.quarantine["quarantine_row"].to_pylist() == [9]
    assert validated.clean["user_id"].to_pylist()[3:6] == ["", "", ""]


def test_a_column_that_stands_twice_is_named():
    log = small_log()
    twice = pa.Table.from_arrays([*log.columns, log["affinity"]], names=[*log.column_names, "affinity"])
    with pytest.raises(DataError, match="column 'affinity' stands twice"):
        validate(twice)


def test_features_may_be_called_row_and_reason():
    validated = validate(small_log(row=[1.0] * 12, reason=[math.nan, *[2.0] * 11]))
    assert validated.reasons == {"reason is not finite": 1}
    assert len(validated.clean) == 11


def test_dictionary_columns_are_read_like_plain_ones():
    log = small_log()
    for name in ("request_id", "item_price"):
        log = log.set_column(log.column_names.index(name), name, log[name].dictionary_encode())
    assert validate(log).clean.equals(validate(small_log()).clean)


def test_a_mended_quarantine_file_is_a_log_again():
    bad = validate(with_value(small_log(), "position", 4, -1)).quarantine
    mended = validate(with_value(bad, "position", 0, 2))
    assert mended.columns == validate(small_log()).columns
    assert mended.clean["item_id"].to_pylist() == ["i1"]


def test_rows_of_one_request_need_not_stand_together():
    shuffled = small_log().take(pa.array([(row * 5) % 12 for row in range(12)]))
    assert len(validate(shuffled).clean) == 12
    jumbled = with_value(shuffled, "context_hour", 11, 50.0)
    assert validate(jumbled).reasons == {"context_hour differs within its request": 1}


def test_the_first_of_two_equal_rows_stays():
    log = pa.concat_tables([small_log(), small_log()])
    validated = validate(log)
    assert len(validated.clean) == 12
    assert validated.reasons == {"the item stands twice in its request": 12}


COLUMN_VALUES = (
    st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.floats()), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.dates()), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.datetimes()), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.binary(max_size=3)), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 3), max_size=2)), min_size=12, max_size=12),
)


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(
        ["request_id", "timestamp", "item_id", "position", "clicked", "grade", "weight", "item_price"]
    ),
    values=st.one_of(*COLUMN_VALUES),
)
def test_whatever_a_column_holds_the_log_is_validated_or_refused_by_name(name, values):
    refused, validated = "", None
    try:
        validated = validate(small_log(**{name: values}))
    except DataError as error:
        refused = str(error)
    if validated is None:
        assert repr(name) in refused
    else:
        assert len(validated.clean) + sum(validated.reasons.values()) == 12
        again = validate(validated.clean) if len(validated.clean) else validated
        assert again.clean.equals(validated.clean)


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
