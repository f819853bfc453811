"""All benchmarks in one go, with made-up ones that are done, fail or never end."""

import json
import re

import pytest

from benchmarks import all as together
from benchmarks.needs import Needs, all_needs

WRITES = """
import argparse, json, pathlib

parser = argparse.ArgumentParser()
for flag in ("--budget", "--out", "--work"):
    parser.add_argument(flag)
parser.add_argument("--size", default="large")
given = parser.parse_args()
result = {"budget_minutes": float(given.budget), "settings": {"size": given.size, "work": given.work}}
pathlib.Path(given.out).write_text(json.dumps(result))
"""
MODULES = {
    "fast": f'NEEDS = {{"minutes": 1, "least": 0.1}}\n{WRITES}',
    "failing": 'NEEDS = {"minutes": 1}\nraise SystemExit("the disk is full")',
    "silent": 'NEEDS = {"minutes": 1}',
    "shortened": f'NEEDS = {{"minutes": 900, "least": 1, "small": ["--size", "small"], "work": True}}\n{WRITES}',
    "unfed": 'NEEDS = {"minutes": 1, "data": ["no_such_set"]}',
    "endless": 'NEEDS = {"minutes": 0.001}\nimport signal\nsignal.pause()',
    "by_itself": 'NEEDS = {"minutes": 1, "by_hand": "it wants a telescope"}',
    "days": 'NEEDS = {"minutes": 3000}',
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of a run of all of them, what it said and its outcomes by name."""
    root = tmp_path_factory.mktemp("all")
    (root / "made_up").mkdir()
    for name, text in MODULES.items():
        (root / "made_up" / f"{name}.py").write_text(text, encoding="utf-8")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "GRACE", 0.02)
        needs = all_needs(root / "made_up", "made_up")
        outcomes = together.run_all(needs, 60, root / "run", cwd=root, say=said.append)
    return root / "run", said, {one.needs.name: one for one in outcomes}


def test_one_that_fails_or_never_ends_does_not_stop_the_others(ran):
    _, _, outcomes = ran
    assert {name: one.state for name, one in outcomes.items()} == {
        "fast": "finished",
        "failing": "failed",
        "silent": "failed",
        "shortened": "finished",
        "unfed": "left out",
        "endless": "stopped",
        "by_itself": "left out",
        "days": "left out",
    }


def test_what_brought_nothing_is_named_with_its_reason(ran):
    lines = "\n".join(together.summary(list(ran[2].values())))
    assert "failing failed: status 1" in lines
    assert "the disk is full" in lines
    assert "unfed left out: no ../shared/data/no_such_set" in lines
    assert "by_itself left out: it wants a telescope" in lines
    assert "days left out: it needs 3000 minutes at least" in lines
    assert lines.endswith("2 finished, 2 failed, 1 stopped, 3 left out")


def test_progress_is_told_while_it_goes_on(ran):
    said = ran[1]
    assert len([line for line in said if line.startswith("[")]) == 5, "of those that were begun"
    assert re.search(r"finished after \d", "\n".join(said))


def test_a_shortened_run_is_small_and_keeps_its_work_apart(ran):
    folder, _, outcomes = ran
    small = json.loads((folder / "results" / "shortened.json").read_text(encoding="utf-8"))
    assert small["settings"] == {"size": "small", "work": str(folder / "work" / "shortened")}
    assert 1 < small["budget_minutes"] <= 60
    assert not outcomes["shortened"].full
    whole = json.loads((folder / "results" / "fast.json").read_text(encoding="utf-8"))
    assert (whole["settings"]["work"], whole["budget_minutes"], outcomes["fast"].full) == (None, 1, True)


def test_what_others_take_too_long_makes_no_full_run_a_small_one(monkeypatch, tmp_path):
    needs = [Needs(f"b.n{number}", minutes=10, least=4) for number in range(6)]
    given = {}

    def run_one(one, share, folder, cwd):
        given[one.name] = share
        return together.Outcome(one, "finished", share + 0.02, True)

    monkeypatch.setattr(together, "run_one", run_one)
    together.run_all(needs, 60, tmp_path, say=lambda line: None)
    assert given == {one.name: 10 for one in needs}
    given.clear()
    outcomes = together.run_all(needs, 24, tmp_path, say=lambda line: None)
    assert [one.state for one in outcomes] == ["finished"] * 6, "their least is kept, by a little more time"


def write(folder, **values):
    folder.mkdir(exist_ok=True)
    (folder / "b.json").write_text(json.dumps({"settings": {}, "rows": [{}, {}], **values}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("new", "old", "full", "taken"),
    [
        ({"budget_minutes": 5}, None, True, True),
        ({"budget_minutes": 2}, None, False, False),
        ({"budget_minutes": 5}, {"budget_minutes": 5}, True, True),
        ({"budget_minutes": 5}, {"budget_minutes": 60}, True, False),
        ({"budget_minutes": 5}, {}, True, True),
        ({"budget_minutes": 5, "rows": [{}]}, {"budget_minutes": 5}, True, False),
        ({"budget_minutes": 5}, {"settings": {"trained_on": "a GPU"}}, True, False),
        ({"budget_minutes": 5, "settings": {"trained_on": "a GPU"}}, {"settings": {"trained_on": "a GPU"}}, True, True),
    ],
)
def test_a_published_result_is_only_replaced_by_one_of_as_much_time(new, old, full, taken, tmp_path):
    results, published = write(tmp_path / "new", **new), tmp_path / "published"
    published.mkdir()
    if old is not None:
        write(published, **old)
    before = {path: path.read_bytes() for path in published.iterdir()}
    outcome = together.Outcome(Needs("b.b", minutes=5, least=1), "finished", 1.0, full)
    assert together.taken_over(outcome, results, published, replace=False) == taken
    assert taken or before == {path: path.read_bytes() for path in published.iterdir()}
    assert together.taken_over(outcome, results, published, replace=True)
    assert (published / "b.json").read_bytes() == (results / "b.json").read_bytes()


def test_the_plan_says_who_gets_what(tmp_path):
    needs = [Needs("b.one", 4, 1), Needs("b.other", 90, 80), Needs("b.third", 1, 1, data=("none",))]
    assert together.plan(needs, 10, tmp_path) == [
        "one: 4.0 minutes of 4",
        "other: left out: it needs 80 minutes at least",
        "third: left out: no ../shared/data/none",
    ]
