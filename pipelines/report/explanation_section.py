"""What the page shows of explanations: bars of contributions, and what each place hangs on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.explanation_metrics import ExplainedItem, ExplainedSample, ExplanationMetrics, FeatureContribution
from pipelines.report.plots.scale import Scale, scale_for

WIDTH, EDGE = 180, 4
# Effects below change a probability by less than half of what the page shows of it.
SMALLEST_EFFECT = 0.005
MOST_FACTOR = 1000
TIMES, NOTHING = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
CHOSEN = {
    "example": "The slate above",
    "furthest": "Where an item moved furthest",
    "typical": "A typical slate",
}


@dataclass(frozen=True)
class Bar:
    """A contribution as a bar from zero, in drawing units."""

    row: FeatureContribution
    x: float
    width: float
    tone: str


@dataclass(frozen=True)
class ExplainedPanel:
    """One item with its bars; `digits` are the decimal places of its numbers."""

    item: ExplainedItem
    bars: Sequence[Bar]
    digits: int


@dataclass(frozen=True)
class SamplePanel:
    """One request; all bars share the axis whose zero is at `zero`.

    Attributes:
        sample: the request.
        title: why it is among the samples.
        items: in their places.
        zero: from the left of each drawing.
        width: of each drawing.
    """

    sample: ExplainedSample
    title: str
    items: Sequence[ExplainedPanel]
    zero: float
    width: int


@dataclass(frozen=True)
class Effect:
    """An effect as a factor on a probability: its words, and whether it raises, lowers or neither."""

    words: str
    tone: str


def explanation_section(explanations: ExplanationMetrics | None) -> list[SamplePanel]:
    """Lay out the part on explanations; nothing without one."""
    return [] if explanations is None else [_panel(sample) for sample in explanations.samples]


def effect(nats: float | None) -> Effect:
    """The factor `exp(nats)`, with a sign for the direction.

    >>> effect(0.5).words, effect(-0.5).words, effect(0.0).words, effect(None).words
    ('▲ × 1.65', '▼ × 0.607', '× 1.00', '–')
    """
    if nats is None:
        return Effect(NOTHING, "soft")
    if abs(nats) < SMALLEST_EFFECT:
        return Effect(f"{TIMES} 1.00", "soft")
    factor = math.exp(min(abs(nats), 100.0))
    if factor > MOST_FACTOR:
        shown = f"more than {MOST_FACTOR}" if nats > 0 else f"less than {1 / MOST_FACTOR:g}"
    else:
        shown = f"{factor if nats > 0 else 1 / factor:#.3g}".rstrip(".")
    return Effect(f"{'▲' if nats > 0 else '▼'} {TIMES} {shown}", "above" if nats > 0 else "below")


def change_of_place(before: int | None, after: int | None) -> str:
    """Where an item stands and where it would: `1 → 3`, `1 → not placed`, or `stays 2`.

    >>> change_of_place(1, 3), change_of_place(1, None), change_of_place(2, 2), change_of_place(None, None)
    ('1 → 3', '1 → not placed', 'stays 2', '–')
    """
    if before is None:
        return NOTHING
    if before == after:
        return f"stays {before}"
    return f"{before} → {'not placed' if after is None else after}"


def _panel(sample: ExplainedSample) -> SamplePanel:
    values = [one.contribution for item in sample.items if item.base for one in item.base.contributions]
    scale = scale_for(values, EDGE, WIDTH - EDGE, include=[0.0])
    return SamplePanel(
        sample=sample,
        title=CHOSEN[sample.chosen],
        items=[_item(item, scale) for item in sample.items],
        zero=scale(0.0),
        width=WIDTH,
    )


def _item(item: ExplainedItem, scale: Scale) -> ExplainedPanel:
    rows = item.base.contributions if item.base else ()
    largest = max((abs(row.contribution) for row in rows), default=1.0)
    digits = max(2, min(7, 2 - math.floor(math.log10(largest)))) if largest > 0 else 2
    return ExplainedPanel(item, [_bar(row, scale) for row in rows], digits)


def _bar(row: FeatureContribution, scale: Scale) -> Bar:
    ends = sorted((scale(0.0), scale(row.contribution)))
    return Bar(
        row=row,
        x=ends[0],
        width=round(ends[1] - ends[0], 2),
        tone="above" if row.contribution > 0 else "below",
    )
