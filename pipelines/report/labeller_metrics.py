"""What a metrics file says of the labeller: the forest it learned, from what, and how well it labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Count, Finite, Interval, Part

LabelMetric = Literal["hamming_loss", "subset_accuracy", "micro_f1", "macro_f1"]
LOWER_IS_BETTER: tuple[LabelMetric, ...] = ("hamming_loss",)


class LabelSummary(Part):
    """One label with the training items that have it, lack it, and those of which that is not known."""

    name: str
    present: Count
    absent: Count
    unknown: Count


class LabelEdge(Part):
    """An edge of the learned forest between two labels by name.

    `coupling` is positive where the two attract each other and negative where they repel; `strength` is the
    norm of the edge's learned table.
    """

    first: str
    second: str
    coupling: Finite
    strength: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LabelScore(Part):
    """One metric on the known tags of held-out items, and the paired difference: labeller minus independent."""

    metric: LabelMetric
    labeller: Interval
    independent: Interval
    difference: Interval


class ItemCounts(Part):
    """Items: in the catalogue, in the log's training part, in both (`common`), and what became of those.

    `untagged` have no known tag; the others were learned from (`trained`) or judged by (`held_out`).
    """

    catalogue: Count
    log: Count
    common: Count
    untagged: Count
    trained: Count
    held_out: Count

    @model_validator(mode="after")
    def _items_in_common_are_all_accounted_for(self) -> ItemCounts:
        if self.untagged + self.trained + self.held_out != self.common:
            raise ValueError(
                f"untagged {self.untagged}, trained {self.trained} and held_out {self.held_out} "
                f"do not add up to common {self.common}"
            )
        return self


class LabellerMetrics(Part):
    """The whole part.

    `left_out` are the tags of the catalogue that no item to learn from knows; `planted_edges` are those of a
    simulated catalogue by name, None elsewhere.
    """

    labels: tuple[LabelSummary, ...]
    left_out: tuple[str, ...] = ()
    edges: tuple[LabelEdge, ...]
    scores: tuple[LabelScore, ...]
    items: ItemCounts
    ridge: Finite
    independent_ridge: Finite
    planted_edges: tuple[tuple[str, str], ...] | None = None

    @model_validator(mode="after")
    def _edges_lie_between_labels_and_close_no_cycle(self) -> LabellerMetrics:
        part = {label.name: label.name for label in self.labels}
        for edge in self.edges:
            for name in (edge.first, edge.second):
                if name not in part:
                    raise ValueError(f"edges: {name!r} is none of the labels {', '.join(part)}")
            if part[edge.first] == part[edge.second]:
                raise ValueError(f"edges: {edge.first!r} and {edge.second!r} close a cycle; a forest has none")
            joined = part[edge.second]
            part = {name: part[edge.first] if root == joined else root for name, root in part.items()}
        return self
