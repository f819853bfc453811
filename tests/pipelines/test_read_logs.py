"""Several files become one log."""

import pyarrow as pa
import pytest

from pipelines.click_log import validate
from pipelines.readers.read_logs import ReadLog, Source, concatenate
from seriatim_errors import DataError
from tests.pipelines.logs import small_log


def read(name, table):
    return ReadLog(table, (Source(name, len(table)),))


def shifted(**changes):
    return small_log(request_id=[f"s{row // 3}" for row in range(12)], **changes)


@pytest.mark.parametrize(
    ("prices", "kind"),
    [
        (pa.array([1] * 12), "double"),
        (pa.array([True] * 12), "double"),
        (pa.array([None] * 12), "double"),
        (pa.array(["1"] * 12), "string"),
        (pa.array(["1"] * 12).dictionary_encode(), "string"),
    ],
    ids=str,
)
def test_files_that_store_a_column_as_different_types_are_one_log(prices, kind):
    logs = [read("one", small_log()), read("two", shifted(item_price=prices))]
    for both in (concatenate(logs), concatenate(logs[::-1])):
        assert str(both.table.schema.field("item_price").type) == kind
        validated = validate(both.table)
        assert validated.reasons == {}
        assert sum(validated.clean["item_price"].to_pylist()) == pytest.approx(
            sum(small_log()["item_price"].to_pylist()) + (12 if prices.null_count == 0 else 0)
        )


def test_columns_are_joined_by_name_not_by_place():
    turned = shifted().select(small_log().column_names[::-1])
    both = concatenate([read("one", small_log()), read("two", turned)])
    assert both.table.column_names == small_log().column_names
    assert validate(both.table).reasons == {}
    assert both.sources == (Source("one", 12), Source("two", 12))


def test_a_column_that_one_file_lacks_is_named_with_both_files():
    for pair in ((small_log(), shifted(affinity=None)), (shifted(affinity=None), small_log())):
        logs = [read(name, table) for name, table in zip(("one", "two"), pair, strict=True)]
        with pytest.raises(DataError, match=r"column 'affinity' is in (one|two) but not in (one|two)"):
            concatenate(logs)
