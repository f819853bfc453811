"""The server of reports: it lists, links and compares what is in a folder of runs, and nothing outside of it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from pipelines.report.page import render
from pipelines.report.run_list import list_runs
from pipelines.report.server import ReportServer
from seriatim_errors import DataError, ServiceError
from tests.chromium import chromium, complaints
from tests.pipelines.made_up_lineage import make_lineage
from tests.pipelines.made_up_metrics import HOSTILE, blessing, make_metrics
from tests.pipelines.made_up_runs import make_run
from tests.pipelines.page_tree import Tree
from tests.pipelines.serving_reports import RunningReports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three finished runs, one of them with lineage; one that has only begun; one whose metrics are broken."""
    root = tmp_path_factory.mktemp("served")
    folder = root / "runs"
    make_run(folder, "older", age=3600, blessing=blessing(blessed=False), config={"gate": {"epochs": 4}})
    make_lineage(make_run(folder, "newer", config={"gate": {"epochs": 5}, "note": HOSTILE}))
    (make_run(folder, "a run", age=60, policies=()) / "metadata.sqlite").write_text("no database")
    (folder / "begun").mkdir()
    (folder / "begun" / "config.yaml").write_text("name: begun\n")
    (folder / "broken").mkdir()
    (folder / "broken" / "metrics.json").write_text("{")
    (folder / "notes").mkdir()
    make_run(root / "outside", "secret")
    (folder / "linked").symlink_to(root / "outside" / "secret")
    (folder / "half").mkdir()
    (folder / "half" / "metrics.json").symlink_to(root / "outside" / "secret" / "metrics.json")
    return folder


@pytest.fixture(scope="module")
def served(runs):
    running = RunningReports(runs)
    yield running
    running.stop()


def test_finished_runs_are_listed_newest_first_with_verdict_metric_data_configuration_and_time(served):
    status, page, _ = served.ask()
    tree = Tree(page)
    assert status == 200
    assert [link for link in tree.links if link.endswith("/report")] == [
        "runs/newer/report", "runs/a%20run/report", "runs/older/report",
    ]  # fmt: skip
    assert [link for link in tree.links if link.endswith("/lineage")] == [
        "runs/newer/lineage", "runs/a%20run/lineage",
    ]  # fmt: skip
    assert (
        "newer 2023-11-14 22:13; lineage blessed 20240101T000000Z-c0fff00d 0.5222 [0.5099, 0.5456] NDCG@10 on clicks "
        "+0.0777 [+0.0654, +0.1011] minus Base ranker 1,234 requests f00d c0ffee 9.4 s"
    ) in tree.text
    assert "older 2023-11-14 21:13; no lineage recorded not blessed" in tree.text


def test_unfinished_and_broken_runs_say_why_they_have_no_metrics(served):
    text = Tree(served.ask()[1]).text
    assert "begun not finished: it has no metrics yet" in text
    assert "metrics.json is a link that leads elsewhere" in text
    assert re.search(r"broken \S+metrics\.json: \(whole file\): Invalid JSON", text)
    assert "notes" not in text
    assert "linked" not in text


def test_a_report_is_served_as_it_is_written(served, runs):
    status, page, headers = served.ask("runs/older/report")
    assert status == 200
    assert page == render(next(run.metrics for run in list_runs(runs) if run.name == "older"))
    assert headers["Content-Type"] == "text/html; charset=utf-8"


def test_lineage_is_shown_where_it_is_recorded(served):
    pages = {name: served.ask(f"runs/{name}/lineage")[:2] for name in ("newer", "older", "begun", "a%20run")}
    assert {status for status, _ in pages.values()} == {200}
    texts = {name: Tree(page).text for name, (_, page) in pages.items()}
    assert "BundlePusher" in texts["newer"]
    assert "no lineage recorded" in texts["older"]
    assert "name: begun" in texts["begun"]
    assert re.search(r"metadata\.sqlite cannot be read .*; look again when no run writes to it", texts["a%20run"])


def test_ticked_runs_are_compared_and_the_reports_linked(served):
    status, page, _ = served.ask("compare?run=newer&run=older")
    assert status == 200
    tree = Tree(page)
    assert "2 runs compared" in tree.text
    assert "gate.epochs 5 4" in tree.text
    assert {"./runs/newer/report", "./runs/older/report", "./"} <= set(tree.links)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("compare", "tick two runs or more"),
        ("compare?run=newer", "tick two runs or more"),
        ("compare?run=newer&run=newer", "each once"),
        ("compare?run=newer&run=nope", "there is no run 'nope'"),
        ("compare?run=newer&run=begun", "cannot be compared: not finished"),
        ("compare?run=newer&run=../outside/secret", "there is no run"),
        ("runs/nope/report", "there is no run 'nope'"),
        ("runs/begun/report", "has no report: not finished"),
        ("runs/broken/report", "has no report: "),
        ("runs/linked/report", "there is no run 'linked'"),
        ("runs/half/report", "a link that leads elsewhere"),
        ("runs/..%2Foutside%2Fsecret/report", "there is no run"),
        ("runs/../../outside/secret/report", "there is no"),
        ("runs/%2e%2e/report", "there is no"),
        ("runs/newer/metrics.json", "there is no page"),
        ("runs/newer/../../../outside/secret/metrics.json", "there is no page"),
        ("runs/%3Cscript%3Ealert('x')%3C%2Fscript%3E/report", "there is no run"),
    ],
)
def test_what_is_not_there_or_lies_outside_is_a_page_that_says_so(served, path, message):
    status, page, headers = served.ask(path)
    assert status == 404
    assert message in Tree(page).text
    assert HOSTILE not in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_every_answer_forbids_loading_and_framing_and_nothing_can_be_sent(served):
    for path in ("", "runs/newer/report", "runs/newer/lineage", "compare?run=newer&run=older"):
        _, page, headers = served.ask(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        tree = Tree(page)
        assert tree.open == []
        assert len(tree.ids) == len(set(tree.ids))
        assert HOSTILE not in page
        assert [link for link in tree.links if "//" in link] == []
    for method in ("POST", "PUT", "DELETE"):
        assert served.ask("runs/newer/report", method)[0] == 405


def test_the_folder_is_left_as_it_was(served, runs):
    def seen():
        return {path: path.stat().st_mtime_ns for path in runs.rglob("*")}

    before = seen()
    for path in ("", "runs/newer/report", "runs/newer/lineage", "compare?run=newer&run=older"):
        served.ask(path)
    assert seen() == before


def test_new_and_changed_runs_are_seen_without_a_restart(tmp_path):
    running = RunningReports(tmp_path)
    try:
        assert "There is none yet" in Tree(running.ask()[1]).text
        make_run(tmp_path, "first")
        assert "0.5222" in running.ask()[1]
        changed = make_metrics(policies=())
        changed.save(tmp_path / "first" / "metrics.json")
        assert "0.5222" not in running.ask()[1]
    finally:
        running.stop()


def test_a_port_in_use_and_a_folder_that_is_not_there_are_named(served, runs, tmp_path):
    with pytest.raises(ServiceError, match=rf"cannot listen on 127\.0\.0\.1:{served.port}: .*; give another --port"):
        asyncio.run(ReportServer(runs, port=served.port).start())
    with pytest.raises(DataError, match="name a folder of runs with --runs"):
        ReportServer(tmp_path / "none")


def command(*arguments):
    return [sys.executable, "-m", "seriatim", "report", "serve", *map(str, arguments)]


def test_the_command_prints_its_address_and_ends_with_status_0_when_interrupted(runs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command("--runs", runs, "--port", 0), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=environment,
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        assert re.fullmatch(rf"runs of {runs} on http://127\.0\.0\.1:\d+/; stop with Ctrl-C\n", line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (out, err) == ("", "")


def test_the_command_ends_with_one_line_where_the_port_is_in_use(served, runs):
    finished = subprocess.run(
        command("--runs", runs, "--port", served.port), capture_output=True, text=True, timeout=60, check=False,
        cwd=ROOT,
    )  # fmt: skip
    assert finished.returncode == ServiceError.exit_code
    assert finished.stderr.startswith("error: cannot listen on 127.0.0.1:")
    assert finished.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def wait_for(browser, heading):
    """Until a page with this heading has come; what was found on the one before is gone by then."""
    wait = WebDriverWait(browser, 20, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException])
    wait.until(lambda _: browser.find_element(By.TAG_NAME, "h1").text == heading)
    wait.until(lambda _: browser.execute_script("return document.readyState") == "complete")


def test_two_ticked_runs_are_compared_in_a_browser_and_the_theme_switches(browser, served):
    browser.get(served.address)
    for name in ("newer", "older"):
        browser.find_element(By.CSS_SELECTOR, f"input[value='{name}']").click()
    browser.find_element(By.ID, "compare").click()
    wait_for(browser, "2 runs compared")
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)
    browser.find_element(By.ID, "theme").click()
    assert browser.execute_script(ground) != before
    browser.find_element(By.LINK_TEXT, "older").click()
    wait_for(browser, "older")
    assert complaints(browser) == []


def test_the_list_and_the_lineage_fit_the_window_and_can_be_sorted_and_filtered(browser, served):
    browser.get(served.address)
    wide = "return document.documentElement.scrollWidth - innerWidth"
    assert browser.execute_script(wide) <= 0
    browser.find_element(By.XPATH, "//table[@id='runs-table']//th/button[text()='run']").click()
    names = [cell.text.split("\n")[0] for cell in browser.find_elements(By.CSS_SELECTOR, "#runs-table tbody th")]
    assert names == ["a run", "newer", "older"]
    browser.find_element(By.CSS_SELECTOR, "a[href='runs/newer/lineage']").click()
    wait_for(browser, "newer: lineage")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".flow g")) == 3
    assert browser.execute_script(wide) <= 0
    browser.find_element(By.LINK_TEXT, "all runs").click()
    wait_for(browser, "Runs")
    assert complaints(browser) == []
