"""Cautions: each follows from the numbers, and good numbers raise none."""

import pytest

from pipelines.report.cautions import cautions
from pipelines.report.labeller_metrics import ItemCounts, LabelSummary
from pipelines.report.metrics_file import DataSummary
from tests.pipelines.made_up_metrics import (
    UNDEFINED,
    blessing,
    difference,
    interval,
    label_score,
    make_drift,
    make_labeller,
    make_metrics,
    off_policy,
)

CLEAN = {"off_policy": ()}


def decided_by(row, **changes):
    metric = row.metrics["ndcg_at_10"]
    return {
        **CLEAN,
        "differences": (row,),
        "blessing": blessing(difference=metric, against=row.against, **changes),
    }


def replaced(row, value):
    return row.model_copy(update={"metrics": {"ndcg_at_10": value}})


def test_sound_numbers_raise_no_caution():
    assert cautions(make_metrics(**CLEAN)) == []


SERVED = difference("served", "base", "clicks", 0)
QUARANTINE = DataSummary(requests={}, rows={"train": 950}, clicks={}, quarantined=50, quarantine_reasons={}, features=1)
WORSE_ON_GRADES = (difference("served", "base", "clicks", 0.0777), difference("served", "base", "grades", -0.2))
BROKEN_PROMISE = make_metrics().gate.model_copy(update={"realised": interval(0.91)})
FEW_ITEMS = ItemCounts(catalogue=90, log=90, common=90, untagged=0, trained=71, held_out=19)
CONSTANT = tuple(
    LabelSummary(name=name, present=present, absent=absent, unknown=0)
    for name, present, absent in (("eco", 200, 200), ("gift", 400, 0), ("kids", 0, 0))
)
LABELS_WORSE = (
    label_score("hamming_loss", 0.3, 0.2, 0.1),
    label_score("subset_accuracy", 0.3, 0.2, 0.1),
    label_score("micro_f1", 0.3, 0.3, 0.001),
)
NOT_IDENTIFIABLE = off_policy("best_gate_score", "ips", identifiable=False, reason="none shown")
DOUBTFUL = off_policy("base", "snips", value=1, low=0, high=2, caution="few weigh")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"blessing": blessing(blessed=False)}, "does not follow from the rule"),
        ({"differences": ()}, "not among the paired differences"),
        (decided_by(replaced(SERVED, interval(0, 616, below=0, above=0))), "equal on every request"),
        (decided_by(replaced(SERVED, interval(-0.005, below=0.004, above=0.001))), "for not being much worse"),
        (decided_by(replaced(SERVED, interval(0.1, count=19))), "rests on 19 requests"),
        (
            {"differences": WORSE_ON_GRADES},
            "On grades the slates as served are worse than the base order: NDCG@10 -0.2000 [-0.2123, -0.1766]",
        ),
        ({"gate": BROKEN_PROMISE}, "gate does not keep its promise"),
        (
            {"labeller": make_labeller(scores=LABELS_WORSE)},
            "sets tags worse than independent labels do: Hamming loss +0.1000 [+0.0877, +0.1234] on 121 held-out items",
        ),
        ({"labeller": make_labeller(items=FEW_ITEMS)}, "rests on few items: 71 to learn from and 19 to judge by"),
        (
            {"labeller": make_labeller(labels=CONSTANT, edges=(), planted_edges=None)},
            "Nothing could be learned of gift, kids: on the items to learn from each of these tags never differs",
        ),
        (
            {"labeller": make_labeller(left_out=("new",))},
            "does not set new: no item to learn from is known to have or to",
        ),
        ({"off_policy": (NOT_IDENTIFIABLE,)}, "'Best gate score' by IPS cannot be told from this log: none shown."),
        ({"off_policy": (DOUBTFUL,)}, "'Base ranker' by SNIPS should not be relied on: few weigh."),
        (
            {"drift": make_drift(threshold=0.05)},
            "The data differ from the last run's: price (0.08) diverge by more than 0.05; metrics of the two runs",
        ),
        ({"data": QUARANTINE}, "5.0 % of the log's 1,000 rows are in quarantine"),
    ],
)
def test_a_weakness_is_named_and_nothing_else(changes, expected):
    [sentence] = cautions(make_metrics(**{**CLEAN, **changes}))
    assert expected in sentence


def test_a_verdict_without_any_request_is_not_called_sound():
    nothing = {**CLEAN, "policies": (), "differences": ()}
    refused, blessed = (blessing(difference=UNDEFINED, blessed=verdict) for verdict in (False, True))
    assert cautions(make_metrics(**nothing, blessing=refused)) == []
    [sentence] = cautions(make_metrics(**nothing, blessing=blessed))
    assert "does not follow" in sentence
