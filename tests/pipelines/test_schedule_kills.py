"""SIGKILL during scheduled runs: the next one finishes with the same bundle, pushed once and whole."""

import pytest

from benchmarks.kill_runs import (
    CONFIG,
    Trial,
    digests,
    figures,
    killed_trial,
    outcome,
    prepare,
    undisturbed,
)

SHORT = CONFIG.format(root="{root}", requests=60, seq2slate="null").replace("gate: {", "gate: null #")


def test_digests_see_every_byte_but_the_time_and_drawn_names(tmp_path):
    for name, version, drawn, weight in [("a", 1, "0", 1), ("b", 2, "f", 1), ("c", 1, "0", 2)]:
        (tmp_path / name / "saved_model").mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text(f'{{"version": {version}, "files": {{}}, "name": "p"}}')
        layer = f"lstm_{drawn * 8}-0000-0000-0000-{drawn * 12}"
        (tmp_path / name / "saved_model" / "saved_model.pb").write_text(f"{layer} {weight}")
        (tmp_path / name / "saved_model" / "fingerprint.pb").write_text(drawn)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {"saved_model/saved_model.pb"}


def test_figures_count_what_was_promised():
    good = Trial("both", 1.0, "-", True, True, True, (), 1, False)
    bad = Trial("run", 1.0, "-", False, False, False, ("x",), 2, True)
    assert figures([good, bad, good]) == {
        "kills": 3, "kills_in_progress": 2, "finished": 2, "byte_equal": 2, "pushed_once": 2, "half_pushed": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_killed_runs_end_with_the_bundle_of_an_undisturbed_one(tmp_path):
    reference = undisturbed(prepare(tmp_path / "reference", SHORT))
    assert (reference.states, reference.bundles, reference.partial) == (("succeeded",), 1, 0)
    expected = {
        "both": ("died", "succeeded"),
        "run": ("succeeded",),
        "scheduler": ("died", "succeeded"),
    }
    for victim, moment in (("both", 6.0), ("run", 10.0), ("scheduler", 8.0)):
        root = prepare(tmp_path / victim, SHORT)
        trial = killed_trial(root, victim, moment, reference)
        assert trial.in_progress
        assert trial.differing == ()
        assert (trial.finished, trial.pushed, trial.half_pushed) == (True, 1, False)
        assert outcome(root, half=False).states == expected[victim]
