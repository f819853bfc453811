"""Runs side by side: in the terminal and on a page; best only where the intervals say so; mistakes in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.commands.report import report
from pipelines.report.compare_page import lay_beside, page_path, render_comparison, write_comparison
from pipelines.report.compare_summary import print_comparison
from pipelines.report.compared_measures import certainly_best
from pipelines.report.compared_runs import UNPAIRED, read_runs
from pipelines.report.metrics_file import Interval
from pipelines.report.metrics_tables import MetricsTable
from pipelines.report.other_intervals import table_intervals
from seriatim_errors import DataError
from tests.pipelines.browser import seen_on_page
from tests.pipelines.made_up_metrics import HOSTILE, blessing, interval, make_labeller, make_metrics, off_policy, policy
from tests.pipelines.made_up_runs import make_run
from tests.pipelines.page_tree import Tree

ROOT = Path(__file__).resolve().parents[2]

CONFIG = {"name": "demo", "seed": 3, "gate": {"epochs": 4, "hidden": [32]}, "clicks": {"source": "log"}}
BETTER = (policy("served", "As served", "clicks", 0.8), policy("base", "Base ranker", "clicks", 0.4))


def beside(tmp_path, *changes, config=CONFIG):
    """Runs `one`, `two`, ... laid side by side, each with its own `changes` of the metrics."""
    names = ("one", "two", "three")[: len(changes)]
    for name, change in zip(names, changes, strict=True):
        make_run(tmp_path, name, config=config, **change)
    return lay_beside(read_runs(names, tmp_path))


def summary(**changes):
    return make_metrics().run.model_copy(update=changes)


def text_of(laid):
    return Tree(render_comparison(laid)).text


def printed(laid, width=160):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_comparison(laid, "compare.html", console)
    return console.export_text()


def groups(laid):
    return {group.name: group for group in laid.groups}


def test_page_and_terminal_show_every_run_s_verdict_and_measures_with_intervals_and_counts(tmp_path):
    laid = beside(tmp_path, {}, {"policies": BETTER, "blessing": blessing(blessed=False), "gate": None})
    page, terminal = text_of(laid), printed(laid)
    assert "NDCG@10 on clicks minus Base ranker ▲ better +0.0777 [+0.0654, +0.1011]" in page
    assert "one 0.5222 [0.5099, 0.5456] 1,234" in page
    assert "two best 0.8000 [0.7877, 0.8234] 1,234" in page
    assert "promised 0.950; 71.3 % of the candidates pass" in page
    assert "not in this run" in page
    for expected in ("0.8000 best", "[0.7877, 0.8234]", "1,234 requests", "not blessed", "not in this run", "f00d"):
        assert expected in terminal
    assert UNPAIRED in page
    assert "paired differences between runs cannot be told" in terminal
    assert list(groups(laid))[:6] == [
        "served-clicks", "served-grades", "gate", "labels", "off_policy", "other-differences",
    ]  # fmt: skip


def test_overlapping_intervals_leave_open_which_is_best(tmp_path):
    near = (policy("served", "As served", "clicks", 0.54),)
    laid = beside(tmp_path, {}, {"policies": near})
    assert {measure.best for measure in groups(laid)["served-clicks"].measures} == {None}
    assert "best 0." not in text_of(laid)


def test_of_a_loss_the_lowest_is_best(tmp_path):
    scores = [score.model_copy(update={"labeller": interval(0.1, 121)}) for score in make_labeller().scores]
    laid = beside(tmp_path, {}, {"labeller": make_labeller(scores=tuple(scores))})
    best = {measure.title: measure.best for measure in groups(laid)["labels"].measures}
    assert best == {"Hamming loss": 1, "subset accuracy": 0, "micro F1": 0, "macro F1": 0}


ENDS = st.tuples(st.integers(-9, 9), st.integers(0, 6)).map(lambda pair: (float(pair[0]), float(pair[0] + pair[1])))


@given(ends=st.lists(ENDS, min_size=2, max_size=5), lower=st.booleans())
def test_best_is_who_lies_beyond_all_others_and_nobody_where_a_width_is_missing(ends, lower):
    intervals = [Interval(value=(low + high) / 2, low=low, high=high, count=9) for low, high in ends]
    beyond = [
        place
        for place, (low, high) in enumerate(ends)
        if all(high < other[0] if lower else low > other[1] for other in ends[:place] + ends[place + 1 :])
    ]
    expected = beyond[0] if beyond and all(low < high for low, high in ends) else None
    assert certainly_best(intervals, lower) == expected
    assert certainly_best([*intervals, None], lower) is None


@pytest.mark.parametrize(
    ("change", "config", "warning"),
    [
        ({"run": summary(data_fingerprint="beef")}, CONFIG, "evaluated on different data (one: f00d; two: beef)"),
        (
            {},
            {**CONFIG, "clicks": {"source": "simulate"}},
            "judged by different labels, for they differ in clicks.source",
        ),
        ({"blessing": blessing(confidence=0.9)}, CONFIG, "of different confidence (one: 95 %; two: 90 %)"),
    ],
)
def test_numbers_that_do_not_compare_are_warned_of_and_nothing_is_marked_best(tmp_path, change, config, warning):
    make_run(tmp_path, "one", config=CONFIG)
    make_run(tmp_path, "two", config=config, **{"policies": BETTER, **change})
    laid = lay_beside(read_runs(["one", "two"], tmp_path))
    assert len(laid.warnings) == 1
    assert warning in laid.warnings[0]
    page = text_of(laid)
    assert page.count("These numbers do not compare") == 1
    assert warning in page
    assert warning.split(" (")[0] in printed(laid, width=400)
    assert not [measure for group in laid.groups for measure in group.measures if measure.best is not None]


def test_the_same_data_judged_alike_is_not_warned_of(tmp_path):
    laid = beside(tmp_path, {}, {})
    assert laid.warnings == []
    assert "These numbers do not compare" not in text_of(laid)


def test_other_rules_of_the_verdict_and_missing_configurations_are_noted(tmp_path):
    make_run(tmp_path, "one", config=CONFIG)
    make_run(tmp_path, "two", blessing=blessing(against="baseline"))
    notes = " ".join(lay_beside(read_runs(["one", "two"], tmp_path)).notes)
    assert "one: NDCG@10 against 'Base ranker'; two: NDCG@10 against 'Bundle in service before'" in notes
    assert "No configuration is recorded for two" in notes


def test_configuration_and_data_that_differ_are_listed_key_by_key(tmp_path):
    make_run(tmp_path, "one", config=CONFIG)
    make_run(tmp_path, "two", config={**CONFIG, "name": "other", "gate": {"epochs": 5}})
    laid = lay_beside(read_runs(["one", "two"], tmp_path))
    assert laid.settings == {"gate.epochs": ["4", "5"], "gate.hidden": ["[32]", "–"]}  # noqa: RUF001
    assert laid.facts["evaluation requests"] == ["3,211", "3,211"]
    assert "gate.epochs 4 5" in text_of(laid)
    assert "gate.epochs" in printed(laid)


def test_an_off_policy_value_that_cannot_be_told_or_relied_on_is_no_best_one(tmp_path):
    told = off_policy("best_gate_score", "ips", value=0.9, low=0.8, high=1.0)
    laid = beside(tmp_path, {}, {"off_policy": (told,)})
    by_title = {measure.title: measure for measure in groups(laid)["off_policy"].measures}
    measure = by_title["Best gate score, IPS"]
    assert measure.best is None
    assert measure.readings[0].remark == "not identifiable: the log holds no propensities"
    assert by_title["Best gate score, SNIPS"].readings[1] is None


def test_every_other_interval_of_the_files_is_laid_side_by_side_and_none_is_best(tmp_path):
    laid = beside(tmp_path, {}, {"differences": make_metrics().differences[:1]})
    measures = {measure.title: measure for measure in groups(laid)["other-differences"].measures}
    assert next(iter(measures)) == "NDCG@10, served minus base, clicks"
    measure = measures["NDCG@10, served minus base, clicks"]
    assert [reading.interval for reading in measure.readings] == [interval(0.0777), interval(0.0777)]
    assert measures["NDCG@10, served minus base, grades"].readings[1] is None
    assert {one.best for one in measures.values()} == {None}


def test_rows_without_a_name_of_their_own_are_not_laid_side_by_side(tmp_path):
    laid = beside(tmp_path, {}, {"differences": make_metrics().differences[:1] * 2})
    measures = {measure.title: measure for measure in groups(laid)["other-differences"].measures}
    assert measures["NDCG@10, served minus base, clicks"].readings[1] is None
    assert {"other-exposure_rows", "other-calibration"} <= set(groups(laid))
    assert "other-calibration_bins" not in groups(laid)


def test_intervals_are_found_in_any_table_by_their_columns():
    ends = {"error_value": 0.1, "error_low": 0.05, "error_high": 0.2, "error_count": 9}
    columns = {"policy": "string", "bins": "int64", "error_value": "float64", "error_low": "float64",
               "error_high": "float64", "error_count": "int64", "below": "float64"}  # fmt: skip
    rows = [{"policy": "served", "bins": 10, **ends}, {"policy": "base", "bins": 10}]
    found = dict(table_intervals(MetricsTable(columns, rows)))
    assert found == {"served, error": Interval(value=0.1, low=0.05, high=0.2, count=9)}


def test_texts_from_the_data_are_never_code(tmp_path):
    config = {**CONFIG, "gate": {"epochs": HOSTILE}}
    make_run(tmp_path, "one", config=CONFIG)
    make_run(tmp_path, "two", config=config, run=summary(data_fingerprint=HOSTILE))
    laid = lay_beside(read_runs(["one", "two"], tmp_path))
    page = render_comparison(laid)
    assert HOSTILE not in page
    assert "default-src 'none'" in page
    tree = Tree(page)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    assert [link for link in tree.links if not link.startswith(("#", "data:"))] == []
    assert HOSTILE[:8] in printed(laid, width=300)


def test_pages_are_named_after_their_runs_and_many_runs_share_a_short_name(tmp_path):
    for index in range(40):
        make_run(tmp_path, f"run{index}")
    runs = read_runs([f"run{index}" for index in range(40)], tmp_path)
    assert page_path(runs[:2], tmp_path) == tmp_path / "compare-run0-run1.html"
    assert page_path(runs, tmp_path).name.startswith("compare-40-runs-")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="name another file with --out"):
        write_comparison(beside(tmp_path, {}, {}), tmp_path / "file" / "page.html")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "none is named; name two runs or more"),
        (("one",), "only 'one' is named; name two runs or more"),
        (("one", "nope"), r"run 'nope' has no metrics\.json under .*; finished runs: one, two"),
        (("one", "./one"), "is named twice"),
        (("one", "two"), r"config\.yaml cannot be read"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, names, message):
    make_run(tmp_path, "one")
    (make_run(tmp_path, "two", age=-1) / "config.yaml").write_text("a: [")
    error = CliRunner().invoke(report, ["compare", *names, "--runs", str(tmp_path)]).exception
    assert isinstance(error, DataError)
    assert "\n" not in str(error)
    assert re.search(message, str(error))


def test_the_command_prints_the_page_s_path_and_imports_no_heavy_package(tmp_path):
    script = (
        "import sys, seriatim; sys.argv = ['seriatim', 'report', 'compare', 'one', 'two', '--runs', sys.argv[1]]\n"
        "try: seriatim.main()\n"
        "finally: print(sorted({'tensorflow', 'tfx', 'lightgbm', 'pandas', 'ml_metadata'} & set(sys.modules)))"
    )
    for name in ("one", "two"):
        make_run(tmp_path, name)
    command = [sys.executable, "-c", script, str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-2:] == [f"comparison: {tmp_path / 'compare-one-two.html'}", "[]"]
    assert (tmp_path / "compare-one-two.html").exists()


ACT = """
const heads = table => [...document.querySelectorAll(`${table} tbody tr th`)];
const names = table => heads(table).map(cell => cell.firstChild.textContent.trim());
const panel = "#served-clicks .panel:not([hidden])";
document.querySelector(`${panel} thead th:nth-child(2) button`).click();
seen.sorted = names(panel);
const chooser = document.querySelector("[data-panels=served-clicks]");
chooser.value = "2";
chooser.dispatchEvent(new Event("change"));
seen.chosen = [...document.querySelectorAll("#served-clicks .panel")].map(one => !one.hidden);
const drawing = document.querySelector(`${panel} svg.forest`);
drawing.dispatchEvent(new MouseEvent("mousemove", { clientX: 300, clientY: 300 }));
seen.tip = document.getElementById("tip").textContent;
const ground = () => getComputedStyle(document.body).backgroundColor;
const light = ground();
document.getElementById("theme").click();
seen.themes = [light, ground()];
const table = document.querySelector("#verdicts .scroll");
seen.cut = table.scrollWidth - table.clientWidth;
seen.wide = document.documentElement.scrollWidth - innerWidth;
"""


def test_the_page_works_in_a_browser_from_a_file_without_a_complaint(tmp_path):
    laid = beside(tmp_path, {}, {"policies": BETTER}, {})
    page = write_comparison(laid, tmp_path / "page.html")
    seen = seen_on_page(page, tmp_path, ACT)
    assert seen["problems"] == []
    assert seen["console"] == []
    assert seen["wide"] <= 0
    assert seen["cut"] <= 0
    assert seen["sorted"][0] == "two"
    assert seen["chosen"] == [False, False, True]
    assert seen["tip"].startswith("one: 0.5")
    assert seen["themes"][0] != seen["themes"][1]
