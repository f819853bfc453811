"""`seriatim report show`: the newest or the named run, in the terminal, with its page."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from rich.console import Console

from pipelines.commands.report import report
from pipelines.report.page import render
from pipelines.report.run_folders import find_run
from pipelines.report.summary import print_summary
from seriatim_errors import DataError
from tests.pipelines.made_up_metrics import HOSTILE, blessing, make_metrics
from tests.pipelines.made_up_runs import make_run


def invoke(*arguments):
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


def printed(width=120, **changes):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_summary(make_metrics(**changes), "page.html", console)
    return console.export_text()


def test_show_prints_the_verdict_and_writes_the_page_when_it_is_missing(tmp_path):
    run = make_run(tmp_path, "demo")
    shown = invoke("show", "demo", "--runs", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("blessed: ndcg_at_10 of the candidate minus base")
    assert "gate: promised recall 0.950, realised 0.944 [0.932, 0.968] on 3,211 held-out requests" in shown.output
    assert "labels: Hamming loss 0.241 [0.229, 0.26" in shown.output
    assert "], difference -0.032 [-0.044, -0.009] on 121 held-out items" in shown.output
    assert str(run / "report" / "index.html") in shown.output.splitlines()[-1]
    assert (run / "report" / "index.html").read_text(encoding="utf-8") == render(make_metrics())


def test_a_page_is_written_again_when_asked_for_or_when_the_metrics_are_newer(tmp_path):
    run = make_run(tmp_path, "demo")
    page = run / "report" / "index.html"
    invoke("show", "--runs", tmp_path)
    for content, arguments in (("mine", ()), (render(make_metrics()), ("--rebuild",))):
        page.write_text("mine")
        invoke("show", "--runs", tmp_path, *arguments)
        assert page.read_text(encoding="utf-8") == content
    page.write_text("old")
    os.utime(page, (1_600_000_000,) * 2)
    invoke("show", "--runs", tmp_path)
    assert page.read_text(encoding="utf-8") != "old"


def test_the_newest_run_is_shown_unless_one_is_named_by_name_folder_or_file(tmp_path):
    old, new = make_run(tmp_path, "old", age=60), make_run(tmp_path, "new")
    assert find_run(None, tmp_path) == new
    assert find_run("old", tmp_path) == old
    assert find_run(str(old), tmp_path / "elsewhere") == old
    assert find_run(str(old / "metrics.json"), tmp_path / "elsewhere") == old


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, ("show",), "no finished run under"),
        (None, ("show", "other"), "run 'other' has no metrics.json under .*; finished runs: none"),
        ("{}", ("show", "other"), "finished runs: demo"),
        ('{"schema_version": 1}', ("show", "demo"), r"run: Field required \(and 2 more\)"),
        ("{", ("show", "demo"), "Invalid JSON"),
    ],
)
def test_missing_and_malformed_metrics_are_named(tmp_path, content, arguments, message):
    if content is not None:
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "metrics.json").write_text(content)
    with pytest.raises(DataError, match=message):
        raise invoke(*arguments, "--runs", tmp_path).exception


def test_the_terminal_shows_as_many_metrics_as_fit_the_deciding_one_first():
    wide, narrow = printed(160), printed(50)
    for text in (wide, narrow):
        assert "NDCG@10" in text
        assert "0.522" in text
        assert "[0.510, 0.546]" in text
        assert HOSTILE[:8] in text
    assert "MAP" in wide
    assert "MAP" not in narrow


def test_the_terminal_shows_every_off_policy_value_and_every_caution():
    text = printed()
    assert "Uniform draw from what passes the gate, SNIPS: 0.00460 [0.00310, 0.00670]; logged 0.00440" in text
    assert "Best gate score, IPS: not identifiable" in text
    assert "note: The off-policy value of 'Best gate score' by SNIPS should not be relied on" in text


def test_texts_that_look_like_markup_are_printed_as_they_are():
    text = printed(blessing=blessing(reason="[red]0.5[/] and [/]"), gate=None, policies=(), off_policy=())
    assert "blessed: [red]0.5[/] and [/]" in text
    assert "gate:" not in text


def test_the_command_ends_with_status_3_and_imports_no_heavy_package(tmp_path):
    script = (
        "import sys, seriatim; sys.argv = ['seriatim', 'report', 'show', '--runs', sys.argv[1]]\n"
        "try: seriatim.main()\n"
        "finally: print(sorted({'tensorflow', 'tfx', 'lightgbm', 'plotly', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    for expected in (3, 0):
        shown = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert shown.returncode == expected, shown.stderr
        assert shown.stdout.endswith("[]\n")
        assert "Traceback" not in shown.stderr
        if expected:
            make_run(tmp_path, "demo")
