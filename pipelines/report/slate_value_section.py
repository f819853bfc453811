"""What the page and the terminal say about the off-policy value of slates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.off_policy_metrics import OffPolicyMetrics, SlateValues
from pipelines.report.sections import OffPolicyPanel, off_policy_panel
from pipelines.report.wording import metric_title, number, percent, policy_title, whole, with_interval

CASCADE_DR, RIPS, IIPS, SIPS = "sn_cascade_dr", "snrips", "sniips", "snsips"
TITLES = {CASCADE_DR: "cascade-DR", RIPS: "RIPS", IIPS: "IIPS", SIPS: "SIPS"}
ASSUMPTIONS = {
    CASCADE_DR: "a click depends on its item and those above",
    RIPS: "a click depends on its item and those above",
    IIPS: "a click depends on its item and position only",
    SIPS: "nothing is assumed of users",
}
# One that assumes more, one that assumes less, and what their disagreement tells.
COMPARED = (
    (IIPS, RIPS, "clicks depend on the items above"),
    (CASCADE_DR, SIPS, "clicks depend on the items below"),
)
LOGGERS = {
    "unknown": "Nothing is taken for known of how the logger draws.",
    "plackett_luce": (
        "The logger is taken to draw items in proportion to weights of their own, as the configuration says."
    ),
}


@dataclass(frozen=True)
class SlateValueSection:
    """A sentence on what the values rest on, and a captioned table for each kind of reward."""

    basis: str
    panels: Sequence[tuple[str, OffPolicyPanel]]


def slate_value_section(metrics: Metrics) -> SlateValueSection | None:
    """The section's contents; None where no slate's value was estimated."""
    values = metrics.slate_values
    if values is None:
        return None
    first = f"first {whole(values.positions)} positions" if values.positions > 1 else "first position"
    panels = [(f"Clicks on the {first}, a slate", off_policy_panel(values.clicks))]
    if values.positions > 1:
        title = f"Discounted clicks on the {first}, a slate: each counts 1 / log2(position + 1)"
        panels.append((title, off_policy_panel(values.discounted_clicks)))
    return SlateValueSection(_basis(values), panels)


def estimator_title(name: str) -> str:
    """`snrips` as `RIPS`, `snips` as `SNIPS`."""
    return TITLES.get(name, metric_title(name))


def slate_value_cautions(metrics: Metrics) -> Iterator[str]:
    """What cannot be told, what should not be relied on, and estimators that contradict each other."""
    values = metrics.slate_values
    if values is None:
        return
    untold: dict[str, list[str]] = {}
    for policy, rows in _by_policy(values.clicks).items():
        name = policy_title(policy, metrics)
        told = [row for row in rows if row.identifiable]
        if not told:
            untold.setdefault(rows[0].reason or "", []).append(f"'{name}'")
            continue
        if told[0].caution:
            yield (
                f"The off-policy value of the slates of '{name}' by {estimator_title(told[0].estimator)} should not be "
                f"relied on: {told[0].caution}."
            )
        for one, other, why in COMPARED:
            pair = {row.estimator: row for row in told if not row.caution}
            if one in pair and other in pair and _apart(pair[one], pair[other]):
                yield (
                    f"Off-policy values of the slates of '{name}' by {TITLES[one]} and {TITLES[other]} differ by more "
                    f"than their intervals: {why}, so that {TITLES[one]} is wrong here."
                )
    # Of a logger without choice no position can be told.
    way_out = " Fewer positions (evaluation.slate_value.positions) are told from fewer slates."
    for reason, names in untold.items():
        yield (
            f"The off-policy value of the slates of {', '.join(names)} cannot be told from this log: {reason}."
            + (way_out if values.drawn and values.positions > 1 else "")
        )


def slate_value_lines(metrics: Metrics) -> Iterator[str]:
    """A line for each policy in the terminal, by the estimator to read."""
    values = metrics.slate_values
    if values is None:
        return
    for policy, rows in _by_policy(values.clicks).items():
        row = next((row for row in rows if row.identifiable), rows[0])
        interval = Interval(value=row.value, low=row.low, high=row.high, count=row.count)
        yield (
            f"off-policy, clicks a slate: {policy_title(policy, metrics)}, {estimator_title(row.estimator)}: "
            f"{with_interval(interval, 3) if row.identifiable else 'not identifiable'}; "
            f"logged {number(row.logged_value, 3)}; {whole(row.count)} slates"
        )


def _basis(values: SlateValues) -> str:
    judged = (
        f"{whole(values.drawn)} of {whole(values.slates)} held-out slates, those whose order was drawn"
        if values.drawn
        else f"All {whole(values.slates)} held-out slates, none of whose orders was drawn"
    )
    of = values.drawn or values.slates
    share = percent(values.complete / of if of else None)
    return f"{judged}; {share} of them show all that there was to draw. {LOGGERS.get(values.logger, '')}"


def _by_policy(rows: Sequence[OffPolicyMetrics]) -> dict[str, list[OffPolicyMetrics]]:
    found: dict[str, list[OffPolicyMetrics]] = {}
    for row in rows:
        found.setdefault(row.policy, []).append(row)
    return found


def _apart(one: OffPolicyMetrics, other: OffPolicyMetrics) -> bool:
    """Whether two intervals have no point in common."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low
