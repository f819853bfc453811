"""What the page shows of the labeller, laid out from a metrics file: the forest, its scores, its edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.comparison import Verdict, compare
from pipelines.report.labeller_metrics import LOWER_IS_BETTER, LabelEdge, LabellerMetrics, LabelScore
from pipelines.report.plots.forest import Forest, forest
from pipelines.report.plots.label_tree import LabelTree, TreeLink, label_tree
from pipelines.report.wording import digits_for, number

DIFFERENCES_WIDTH = 240
TURNED: dict[Verdict, Verdict] = {"above": "below", "below": "above"}


@dataclass(frozen=True)
class EdgeRow:
    """An edge with its words, and whether it was planted; None where nothing is known to be."""

    edge: LabelEdge
    relation: str
    planted: bool | None


@dataclass(frozen=True)
class LabellerSection:
    """Everything the section shows beside the metrics themselves.

    Attributes:
        tree: the drawing of the forest.
        edges: the strongest first.
        scores: (metric, its reading).
        plot: forest plot of the differences, row by row.
        digits, difference_digits: decimal places that suit the widths.
        found: planted edges that were learned; None where nothing is known to be planted.
        missed: the others.
    """

    tree: LabelTree
    edges: Sequence[EdgeRow]
    scores: Sequence[tuple[LabelScore, Verdict]]
    plot: Forest
    digits: int
    difference_digits: int
    found: int | None
    missed: Sequence[tuple[str, str]]


def labeller_section(labeller: LabellerMetrics | None) -> LabellerSection | None:
    """Lay out the labeller's part; None without one."""
    if labeller is None:
        return None
    place = {label.name: index for index, label in enumerate(labeller.labels)}
    planted = None if labeller.planted_edges is None else {frozenset(pair) for pair in labeller.planted_edges}
    ordered = sorted(labeller.edges, key=lambda edge: -edge.strength)
    rows = [
        EdgeRow(edge, relation(edge), None if planted is None else frozenset((edge.first, edge.second)) in planted)
        for edge in ordered
    ]
    links = [
        TreeLink(
            first=place[row.edge.first],
            second=place[row.edge.second],
            strength=row.edge.strength,
            attracts=row.edge.coupling > 0,
            words=f"{row.relation}: coupling {number(row.edge.coupling, 3, signed=True)}, "
            f"strength {number(row.edge.strength, 3)}",
        )
        for row in rows
    ]
    learned = {frozenset((edge.first, edge.second)) for edge in labeller.edges}
    differences = [score.difference for score in labeller.scores]
    levels = [interval for score in labeller.scores for interval in (score.labeller, score.independent)]
    return LabellerSection(
        tree=label_tree([label.name for label in labeller.labels], links),
        edges=rows,
        scores=[(score, score_verdict(score)) for score in labeller.scores],
        plot=forest(differences, {"no difference": 0.0}, width=DIFFERENCES_WIDTH),
        digits=digits_for(levels),
        difference_digits=digits_for(differences),
        found=None if planted is None else len(planted & learned),
        missed=[pair for pair in labeller.planted_edges or () if frozenset(pair) not in learned],
    )


def relation(edge: LabelEdge) -> str:
    """An edge in words, such as `sale repels premium`."""
    return f"{edge.first} {'attracts' if edge.coupling > 0 else 'repels'} {edge.second}"


def score_verdict(score: LabelScore) -> Verdict:
    """What the difference says of the labeller: `above` where it is better, whichever way the metric counts."""
    verdict = compare(score.difference)
    return TURNED.get(verdict, verdict) if score.metric in LOWER_IS_BETTER else verdict
