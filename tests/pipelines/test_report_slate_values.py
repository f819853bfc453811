"""Off-policy values of slates on the page, in the terminal and among the cautions."""

import io

import pytest
from pydantic import ValidationError
from rich.console import Console

from pipelines.report.cautions import cautions
from pipelines.report.metrics_file import read_metrics
from pipelines.report.off_policy_metrics import SlateValues
from pipelines.report.page import render
from pipelines.report.summary import print_summary
from tests.pipelines.made_up_metrics import HOSTILE, make_metrics, off_policy
from tests.pipelines.page_tree import Tree

UNTOLD = "the logging policy is deterministic: 80.0% of the policy's probability has no support in the log"


def told(policy, estimator, value, half=0.02, **changes):
    return off_policy(policy, estimator, value=value, low=value - half, high=value + half, logged_value=0.7, **changes)


def untold(policy, estimator):
    return off_policy(policy, estimator, identifiable=False, reason=UNTOLD, logged_value=0.7)


def judged(*clicks, **changes):
    """Metrics with these off-policy values of slates and no other reason for a caution."""
    fields = {"slates": 1234, "drawn": 123, "complete": 61, "positions": 4, "logger": "plackett_luce"}
    values = SlateValues(**{**fields, "clicks": clicks, "discounted_clicks": clicks[:1], **changes})
    return make_metrics(off_policy=(), slate_values=values)


SOUND = (
    told("served", "sn_cascade_dr", 0.801),
    told("served", "snrips", 0.803),
    told("served", "sniips", 0.802),
    told("served", "snsips", 0.79, half=0.06),
)


def test_every_value_stands_on_the_page_with_its_assumption_and_what_it_rests_on():
    text = Tree(render(judged(*SOUND))).text
    assert "Value of re-ordered slates on the logged traffic" in text
    assert "123 of 1,234 held-out slates, those whose order was drawn; 49.6 % of them show all" in text
    assert "The logger is taken to draw items in proportion to weights of their own" in text
    assert "Clicks on the first 4 positions, a slate" in text
    assert "Discounted clicks on the first 4 positions" in text
    assert "cascade-DR a click depends on its item and those above 0.801" in text
    assert "SIPS nothing is assumed of users 0.790" in text
    assert "▲ better than logged" in text


def test_one_position_has_no_discount_and_a_logger_without_choice_is_named():
    metrics = judged(untold("served", "snrips"), positions=1, drawn=0, complete=1234, logger="unknown")
    text = Tree(render(metrics)).text
    assert "Clicks on the first position, a slate" in text
    assert "Discounted clicks" not in text
    assert "All 1,234 held-out slates, none of whose orders was drawn" in text
    assert f"not identifiable : {UNTOLD}" in text


def test_the_terminal_has_a_line_for_each_policy_by_the_estimator_to_read():
    out = io.StringIO()
    metrics = judged(*SOUND, untold("base", "sn_cascade_dr"), untold("base", "snrips"))
    print_summary(metrics, "page.html", Console(file=out, width=300))
    text = out.getvalue()
    assert "off-policy, clicks a slate: Served" in text
    assert "cascade-DR: 0.801 [0.781, 0.821]; logged 0.700" in text
    assert "off-policy, clicks a slate: Base ranker, cascade-DR: not identifiable" in text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (SOUND, []),
        (
            (untold("served", "sn_cascade_dr"), untold("served", "snrips"), untold("base", "snrips")),
            [f"slates of 'Served {HOSTILE}', 'Base ranker' cannot be told from this log: {UNTOLD}."],
        ),
        (
            (told("base", "sn_cascade_dr", 0.8, caution="few weigh"), *SOUND),
            ["The off-policy value of the slates of 'Base ranker' by cascade-DR should not be relied on: few weigh."],
        ),
        (
            (SOUND[0], SOUND[1], told("served", "sniips", 0.9), SOUND[3]),
            ["by IIPS and RIPS differ by more than their intervals: clicks depend on the items above, so that IIPS is"],
        ),
        (
            (SOUND[0], SOUND[1], SOUND[2], told("served", "snsips", 0.6)),
            ["by cascade-DR and SIPS differ by more than their intervals: clicks depend on the items below"],
        ),
        # Doubtful estimates contradict nobody.
        ((SOUND[0], SOUND[1], told("served", "sniips", 0.9, caution="few weigh")), []),
    ],
)
def test_cautions_follow_from_the_values(rows, expected):
    found = cautions(judged(*rows))
    assert len(found) == len(expected)
    for sentence, words in zip(found, expected, strict=True):
        assert words in sentence


def test_fewer_positions_are_advised_where_the_logger_had_a_choice():
    rows = (untold("served", "snrips"),)
    [advised], [fixed] = cautions(judged(*rows)), cautions(judged(*rows, drawn=0))
    assert "Fewer positions (evaluation.slate_value.positions)" in advised
    assert fixed.endswith(f"{UNTOLD}.")


def test_values_survive_the_file(tmp_path):
    metrics = judged(*SOUND)
    metrics.save(tmp_path / "metrics.json")
    assert read_metrics(tmp_path / "metrics.json").slate_values == metrics.slate_values
    assert make_metrics().slate_values is None


def test_more_drawn_slates_than_slates_are_refused():
    with pytest.raises(ValidationError, match="are more than slates"):
        judged(*SOUND, drawn=2000)
