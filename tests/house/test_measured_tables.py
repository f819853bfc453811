"""Tables and pictures of measurements on the pages are those of the result files."""

import json
import shutil
from xml.etree import ElementTree

import pytest

from benchmarks import page_tables, render
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


def test_what_has_no_result_stays_as_it_was_and_is_named(tmp_path, monkeypatch, capsys):
    docs, results = tmp_path / "docs", tmp_path / "results"
    shutil.copytree(DOCS, docs)
    shutil.copytree(RESULTS, results, ignore=shutil.ignore_patterns("multi_hashing.json"))
    for module in (page_tables, render):
        monkeypatch.setattr(module, "DOCS", docs)
        monkeypatch.setattr(module, "RESULTS", results)
    monkeypatch.setattr(render, "PAGE", docs / "benchmarks.md")
    monkeypatch.setattr(render, "PICTURES", docs / "images")
    assert render.update_pages() == ["multi_hashing.md", "multi_hashing.svg"]
    assert "multi_hashing.md stays as it was" in capsys.readouterr().out
    for page in ("multi_hashing.md", "testing.md"):
        assert (docs / page).read_text(encoding="utf-8") == (DOCS / page).read_text(encoding="utf-8")
