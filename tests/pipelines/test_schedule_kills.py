"""SIGKILL during scheduled runs: the next one finishes with the same bundle, pushed once and whole."""

import pytest

from benchmarks.kill_runs import (
    CONFIG,
    SCHEDULE,
    Moment,
    Trial,
    digests,
    figures,
    finish,
    kill_when,
    moment_at,
    outcome,
    prepare,
)
from pipelines.scheduling.history import history

SHORT = CONFIG.format(root="{root}", requests=60, seq2slate="null").replace("gate: {", "gate: null #")


def test_digests_see_every_byte_but_the_time(tmp_path):
    for name, version, weight in [("a", 1, 1), ("b", 2, 1), ("c", 1, 2)]:
        (tmp_path / name / "saved_model").mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text(f'{{"version": {version}, "files": {{}}, "name": "p"}}')
        (tmp_path / name / "saved_model" / "saved_model.pb").write_text(str(weight))
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {"saved_model/saved_model.pb"}


def test_figures_count_what_was_promised():
    good = Trial("both", 1.0, "-", True, True, True, (), 1, False)
    bad = Trial("run", 1.0, "-", False, False, False, ("x",), 2, True)
    assert figures([good, bad, good]) == {
        "kills": 3, "kills_in_progress": 2, "finished": 2, "byte_equal": 2, "pushed_once": 2, "half_pushed": 1,
    }  # fmt: skip


def test_moments_of_a_slower_run_are_told_by_its_components():
    parts = [10.0, 2.0, 3.0]
    assert [moment_at(seconds, parts) for seconds in (0.0, 9.0, 11.5, 14.0)] == [
        Moment(0, 0.0), Moment(0, 9.0), Moment(1, 1.5), Moment(2, 2.0)
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_killed_three_times_ends_with_the_bundle_of_an_undisturbed_one(tmp_path):
    reference = finish(prepare(tmp_path / "reference", SHORT))
    assert (reference.states, reference.bundles, reference.partial) == (("succeeded",), 1, 0)
    root = prepare(tmp_path / "killed", SHORT)
    first = kill_when(root, "both", lambda seconds, done: "BaseRanker" in done)
    assert (first.in_progress, first.half, first.scheduler) == (True, False, None)
    second = kill_when(root, "both", lambda seconds, done: "StatisticsGen" in done)
    assert (second.in_progress, second.half) == (True, False)
    third = kill_when(root, "run", lambda seconds, done: "BundleBuilder" in done)
    assert (third.in_progress, third.half) == (True, False)
    third.scheduler.wait(300)
    left = outcome(root, half=False)
    assert left.states == ("died", "died", "succeeded")
    assert (left.bundles, left.partial, left.half) == (1, 0, False)
    assert left.files == reference.files
    last = history(root / "home", SCHEDULE, 1)[0]
    assert (last.attempts, last.bundle is not None) == (2, True)
    printed = (root / "home" / last.log).read_text()
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("  BaseRanker ")][-1] == "cached"
