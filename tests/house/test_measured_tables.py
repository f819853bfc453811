"""Tables and pictures of measurements on the pages are those of the result files."""

import json
from xml.etree import ElementTree

import pytest

from benchmarks.harness import RESULTS
from benchmarks.page_tables import DOCS, PAGE_TABLES
from benchmarks.render import DRAWN


@pytest.mark.parametrize("table", PAGE_TABLES, ids=lambda table: table.page)
def test_the_page_shows_what_was_measured(table):
    assert (DOCS / table.page).read_text(encoding="utf-8") == table.placed(), "run python -m benchmarks.render"


@pytest.mark.parametrize("table", PAGE_TABLES, ids=lambda table: table.page)
def test_a_table_stands_between_two_marks(table):
    assert (DOCS / table.page).read_text(encoding="utf-8").count(f"benchmarks/{table.result}.py -->") == 2


@pytest.mark.parametrize(("result", "picture", "draw"), DRAWN, ids=[picture for _, picture, _ in DRAWN])
def test_the_picture_shows_what_was_measured(result, picture, draw):
    rows = json.loads((RESULTS / f"{result}.json").read_text(encoding="utf-8"))["rows"]
    drawn = draw(rows)
    assert (DOCS / "images" / picture).read_text(encoding="utf-8") == drawn, "run python -m benchmarks.render"
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
