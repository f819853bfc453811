"""What a person should know before following the verdict: each caution is a sentence that follows from the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.report.comparison import SERVED, compare, deciding_row
from pipelines.report.label_section import score_verdict
from pipelines.report.metrics_file import Metrics
from pipelines.report.slate_value_section import slate_value_cautions
from pipelines.report.slice_section import slice_words
from pipelines.report.wording import (
    label_metric_title,
    metric_title,
    number,
    percent,
    policy_title,
    whole,
    with_interval,
)

FEW_REQUESTS = 100
FEW_ITEMS = 100
MANY_QUARANTINED = 0.01
MANY_VARYING = 0.05
NAMED_FEATURES = 3
BASE = "base"


def cautions(metrics: Metrics) -> list[str]:
    """Sentences on what weakens the verdict or speaks against it, the weightiest first; often none."""
    return [
        *_about_the_verdict(metrics),
        *_about_the_slices(metrics),
        *_about_the_base_order(metrics),
        *_about_the_gate(metrics),
        *_about_the_labels(metrics),
        *_about_the_traffic(metrics),
        *slate_value_cautions(metrics),
        *_about_the_data(metrics),
        *_about_the_drift(metrics),
        *_about_the_lookup(metrics),
    ]


def _about_the_verdict(metrics: Metrics) -> Iterator[str]:
    blessing = metrics.blessing
    difference = blessing.difference
    slices = () if metrics.slices is None else metrics.slices.blocking
    named = [(one.column, one.value) for one in blessing.blocking_slices]
    follows = difference.low is not None and difference.low > -blessing.margin and not slices
    if follows != blessing.blessed or named != [(row.column, row.value) for row in slices]:
        yield "The recorded verdict does not follow from the rule and the numbers below; the recorded reason tells why."
    if difference.count > 0 and deciding_row(metrics) is None:
        yield "The row that decided is not among the paired differences of this file."
    if compare(difference) == "identical":
        yield (
            f"The candidate and '{policy_title(blessing.against, metrics)}' came out equal on every request that "
            "counts: this comparison could not have found a difference."
        )
    elif blessing.blessed and compare(difference) == "below":
        yield (
            "The candidate is worse than what it was compared with, by less than the margin allows: it was blessed "
            "for not being much worse."
        )
    if 0 < difference.count < FEW_REQUESTS:
        yield (
            f"The verdict rests on {difference.count} requests; bootstrap intervals on fewer than {FEW_REQUESTS} "
            "tend to be too narrow."
        )


def _about_the_slices(metrics: Metrics) -> Iterator[str]:
    slices = metrics.slices
    if slices is None or not slices.worse:
        return
    worse = slices.worse
    where = "In one slice" if len(worse) == 1 else f"In {whole(len(worse))} slices"
    yield (
        f"{where} the candidate is worse than '{policy_title(slices.against, metrics)}' without blocking the push, for "
        + (
            "no evaluation.slice_margin is set"
            if slices.margin is None
            else f"the margin of slices is {number(slices.margin)}"
        )
        + f"; {'this is' if len(worse) == 1 else 'most certainly in'} {slice_words(worse[0], slices)}."
    )


def _about_the_base_order(metrics: Metrics) -> Iterator[str]:
    decided = deciding_row(metrics)
    for row in metrics.differences:
        metric = row.metrics.get(metrics.blessing.metric)
        of_interest = row.policy == SERVED and row.against == BASE and row is not decided
        if of_interest and metric is not None and compare(metric) == "below":
            yield (
                f"On {row.labels} the slates as served are worse than the base order: "
                f"{metric_title(metrics.blessing.metric)} {with_interval(metric, signed=True)}, "
                f"{whole(metric.count)} requests."
            )


def _about_the_gate(metrics: Metrics) -> Iterator[str]:
    gate = metrics.gate
    if gate is not None and compare(gate.realised, gate.target) == "below":
        yield (
            f"The gate does not keep its promise: {gate.rate} {with_interval(gate.realised, 3)} on "
            f"{whole(gate.realised.count)} requests where {number(gate.target, 3)} was promised."
        )


def _about_the_labels(metrics: Metrics) -> Iterator[str]:
    labeller = metrics.labeller
    if labeller is None:
        return
    for score in labeller.scores:
        if score_verdict(score) == "below":
            yield (
                f"The labeller sets tags worse than independent labels do: {label_metric_title(score.metric)} "
                f"{with_interval(score.difference, signed=True)} on {whole(score.difference.count)} held-out items."
            )
    items = labeller.items
    if min(items.trained, items.held_out) < FEW_ITEMS:
        yield (
            f"The labeller rests on few items: {whole(items.trained)} to learn from and {whole(items.held_out)} to "
            f"judge by, where {FEW_ITEMS} of each would be some ground to stand on."
        )
    constant = [label.name for label in labeller.labels if not label.present or not label.absent]
    if constant:
        yield (
            f"Nothing could be learned of {', '.join(constant)}: on the items to learn from "
            f"{'this tag' if len(constant) == 1 else 'each of these tags'} never differs where it is known."
        )
    if labeller.left_out:
        yield (
            f"The labeller does not set {', '.join(labeller.left_out)}: no item to learn from is known to have or to "
            f"lack {'this tag' if len(labeller.left_out) == 1 else 'these tags'}."
        )


def _about_the_traffic(metrics: Metrics) -> Iterator[str]:
    for row in metrics.off_policy:
        name = f"The off-policy value of '{policy_title(row.policy, metrics)}' by {metric_title(row.estimator)}"
        if not row.identifiable:
            yield f"{name} cannot be told from this log: {row.reason}."
        elif row.caution:
            yield f"{name} should not be relied on: {row.caution}."


def _about_the_data(metrics: Metrics) -> Iterator[str]:
    data = metrics.data
    rows = sum(data.rows.values()) + data.quarantined
    if rows and data.quarantined > MANY_QUARANTINED * rows:
        yield f"{percent(data.quarantined / rows)} of the log's {whole(rows)} rows are in quarantine."


def _about_the_drift(metrics: Metrics) -> Iterator[str]:
    drift = metrics.drift
    if drift is None:
        return
    if drift.drifted:
        named = ", ".join(f"{one.column} ({number(one.divergence, 2)})" for one in drift.drifted[:NAMED_FEATURES])
        more = len(drift.drifted) - NAMED_FEATURES
        yield (
            f"The data differ from the last run's: {named}{f' and {more} more columns' if more > 0 else ''} diverge by "
            f"more than {drift.threshold:g}; metrics of the two runs are not of the same users."
        )


def _about_the_lookup(metrics: Metrics) -> Iterator[str]:
    variation = metrics.item_features
    if variation is None or variation.share <= MANY_VARYING:
        return
    named = ", ".join(variation.features[:NAMED_FEATURES])
    more = len(variation.features) - NAMED_FEATURES
    yield (
        f"{percent(variation.share)} of the items in several requests differ in their features from one to the next "
        f"({named}{f' and {more} more' if more > 0 else ''}): a request that names items alone is ranked by their "
        "latest features, and its slate may differ from those that were judged here."
    )
