"""What benchmarks say they need, and how minutes are shared out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.needs import Needs, all_needs, read_needs, shares

FOLDER = Path(__file__).parents[2] / "benchmarks"
MEASURING = [
    path for path in sorted(FOLDER.glob("*.py")) if "options = parse_options(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", MEASURING, ids=lambda path: path.stem)
def test_every_benchmark_says_what_it_needs(path):
    needs, text = read_needs(path, "benchmarks"), path.read_text(encoding="utf-8")
    assert needs is not None, "NEEDS = {...} is missing; see benchmarks/needs.py"
    assert 0 < needs.least <= needs.minutes
    assert needs.work == ('"--work"' in text)
    assert all(f'"{flag}"' in text for flag in needs.small if flag.startswith("--"))


def test_only_benchmarks_say_what_they_need():
    assert {one.name for one in all_needs(FOLDER, "benchmarks")} == {path.stem for path in MEASURING}


def test_data_are_public_sets_that_are_described():
    folders = {name for one in all_needs(FOLDER, "benchmarks") for name in one.data}
    assert folders <= {
        "binary", "camvid_sky", "cifar10", "kodak", "lightgbm_lambdarank", "mq2008", "multilabel", "open_bandit"
    }  # fmt: skip


def test_needs_are_read_without_running_the_module(tmp_path):
    (tmp_path / "one.py").write_text('NEEDS = {"minutes": 3, "data": ["a"]}\nraise SystemExit\n', encoding="utf-8")
    (tmp_path / "other.py").write_text("OTHER = 3\n", encoding="utf-8")
    assert all_needs(tmp_path, "made_up") == [Needs("made_up.one", minutes=3, least=3, data=("a",))]


def test_a_key_that_is_none_is_refused(tmp_path):
    (tmp_path / "one.py").write_text('NEEDS = {"minutes": 3, "dta": ["a"]}\n', encoding="utf-8")
    with pytest.raises(TypeError, match="dta"):
        all_needs(tmp_path, "made_up")


@st.composite
def several_needs(draw):
    pairs = draw(st.lists(st.tuples(st.floats(0.1, 60), st.floats(0, 200)), max_size=8))
    return [Needs(f"b.n{number}", least + more, least) for number, (least, more) in enumerate(pairs)]


@given(several_needs(), st.floats(0, 600))
def test_shares_keep_the_minutes_and_everyone_s_bounds(needs, minutes):
    given_shares = shares(needs, minutes)
    assert sum(given_shares.values()) <= minutes + 1e-6
    for one in needs:
        if one.name in given_shares:
            assert one.least - 1e-9 <= given_shares[one.name] <= one.minutes + 1e-9


@given(several_needs())
def test_with_minutes_enough_everyone_has_all(needs):
    total = sum(one.minutes for one in needs)
    assert shares(needs, total + 1e-6) == {one.name: one.minutes for one in needs}


@given(several_needs(), st.floats(0, 600))
def test_nothing_is_kept_back_while_someone_wants_more(needs, minutes):
    given_shares = shares(needs, minutes)
    wanting = [one for one in needs if one.name in given_shares and given_shares[one.name] < one.minutes - 1e-6]
    if wanting:
        assert sum(given_shares.values()) == pytest.approx(minutes, abs=1e-3)


def test_who_asks_for_most_is_left_out_where_not_all_fit():
    needs = [Needs("b.long", 90, 30), Needs("b.short", 3, 1), Needs("b.middle", 60, 5)]
    assert shares(needs, 10) == pytest.approx({"short": 3, "middle": 7})
