"""Tables of measurements on the pages are those of the result files."""

import pytest

from benchmarks.page_tables import DOCS, PAGE_TABLES


@pytest.mark.parametrize("table", PAGE_TABLES, ids=lambda table: table.page)
def test_the_page_shows_what_was_measured(table):
    assert (DOCS / table.page).read_text(encoding="utf-8") == table.placed(), "run python -m benchmarks.render"


@pytest.mark.parametrize("table", PAGE_TABLES, ids=lambda table: table.page)
def test_a_table_stands_between_two_marks(table):
    assert (DOCS / table.page).read_text(encoding="utf-8").count(f"benchmarks/{table.result}.py -->") == 2
