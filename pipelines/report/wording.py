"""How the report writes numbers and names, on the page and in the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from pipelines.report.metrics_file import Interval, Metrics

NOT_DEFINED = "not defined"
ABBREVIATIONS = frozenset({"ndcg", "dcg", "map", "mrr", "err", "ips", "snips", "dr"})
POLICY_TITLES = {
    "served": "As served",
    "logged": "Order as logged",
    "base": "Base order",
    "baseline": "Bundle in service before",
    "served_explored": "As served, with exploration",
    "uniform_over_passing": "Uniform draw from what passes the gate",
    "best_gate_score": "Best gate score",
}
STAGE_TITLES = {"base_ranker": "Base ranker", "gate": "Gate", "seq2slate": "seq2slate", "labeller": "Labeller"}
LABEL_METRIC_TITLES = {
    "hamming_loss": "Hamming loss",
    "subset_accuracy": "subset accuracy",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
}
SPLIT_TITLES = {"train": "training", "eval": "evaluation"}
MIN_DIGITS, MAX_DIGITS = 2, 7


def metric_title(name: str) -> str:
    """`ndcg_at_10` as `NDCG@10`, `rank_gain` as `rank gain`.

    >>> metric_title("ndcg_at_10"), metric_title("map"), metric_title("rank_gain")
    ('NDCG@10', 'MAP', 'rank gain')
    """
    stem = re.sub(r"_at_(?=\d)", "@", name)
    head, *rest = stem.split("@", 1)
    words = (word.upper() if word in ABBREVIATIONS else word for word in head.replace("_", " ").split(" "))
    return "@".join([" ".join(words), *rest])


def label_metric_title(name: str) -> str:
    """The title of a metric of labels, or its name in words."""
    return LABEL_METRIC_TITLES.get(name, name.replace("_", " "))


def policy_title(name: str, metrics: Metrics) -> str:
    """The title under which `metrics` lists a policy, or its name in words."""
    for policy in metrics.policies:
        if policy.policy == name:
            return policy.title
    return POLICY_TITLES.get(name, name.replace("_", " "))


def digits_for(intervals: Iterable[Interval]) -> int:
    """Decimal places that show two digits or more of the narrowest interval's width, in [2, 7]; 4 without any width.

    Numbers of one column share them, so that they compare at a glance.
    """
    widths = [row.high - row.low for row in intervals if row.low is not None and row.high is not None]
    widths = [width for width in widths if width > 1e-12]
    if not widths:
        return 4
    return max(MIN_DIGITS, min(MAX_DIGITS, 2 - math.floor(math.log10(min(widths)))))


def number(value: float | None, digits: int = 4, signed: bool = False) -> str:
    """`value` with `digits` decimal places, with its sign if `signed`; `not defined` for None."""
    if value is None:
        return NOT_DEFINED
    # Adding 0 turns a rounded negative zero, whose sign is not worth reading, into plain zero.
    rounded = round(value, digits) + 0.0
    return f"{'+' if signed and rounded > 0 else ''}{rounded:.{digits}f}"


def span(interval: Interval, digits: int = 4, signed: bool = False) -> str:
    """The interval alone: `[0.4980, 0.5270]`, or nothing where it is not defined."""
    if interval.value is None:
        return ""
    return f"[{number(interval.low, digits, signed)}, {number(interval.high, digits, signed)}]"


def with_interval(interval: Interval, digits: int = 4, signed: bool = False) -> str:
    """`0.5123 [0.4980, 0.5270]`, or `not defined`."""
    return f"{number(interval.value, digits, signed)} {span(interval, digits, signed)}".strip()


def whole(count: int) -> str:
    """A count with its thousands marked.

    >>> whole(12345)
    '12,345'
    """
    return f"{count:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in per cent, or `not defined`.

    >>> percent(0.0513)
    '5.1 %'
    """
    return NOT_DEFINED if share is None else f"{100 * share:.{digits}f} %"


def seconds(duration: float) -> str:
    """A duration to a tenth of a second, with minutes from one on.

    >>> seconds(8.04), seconds(75.0)
    ('8.0 s', '1 min 15 s')
    """
    if round(duration, 1) < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"
