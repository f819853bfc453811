"""The labeller's part of the metrics: what it learned, and how it labels items that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.config import EvaluationConfig
from pipelines.evaluation.in_file import interval_of
from pipelines.evaluation.label_metrics import compare_labels
from pipelines.report.labeller_metrics import ItemCounts, LabelEdge, LabellerMetrics, LabelScore, LabelSummary
from pipelines.stages.labeller import HELD_OUT_FILE, read_learned


def labeller_metrics(
    folder: Path, planted_edges: tuple[tuple[str, str], ...] | None, config: EvaluationConfig, seed: int
) -> LabellerMetrics:
    """Compare the label forest with independent labels on the held-out items.

    Args:
        folder: of the trained labeller.
        planted_edges: pairs of labels that a simulated catalogue's tags depend on each other by; None elsewhere,
            and of no account where they are no pairs of these labels.
        config: confidence and number of resamples.
        seed: fixes the resamples.
    """
    learned = read_learned(folder)
    with np.load(folder / HELD_OUT_FILE) as held_out:
        compared = compare_labels(
            held_out["truth"],
            held_out["labeller"],
            held_out["independent"],
            config.confidence,
            config.bootstrap_samples,
            seed,
        )
    known = {*learned.labels, *learned.left_out}
    counts = zip(learned.labels, learned.present, learned.absent, learned.unknown, strict=True)
    edges = zip(learned.edges, learned.couplings, learned.strengths, strict=True)
    return LabellerMetrics(
        labels=tuple(
            LabelSummary(name=name, present=present, absent=absent, unknown=unknown)
            for name, present, absent, unknown in counts
        ),
        left_out=learned.left_out,
        edges=tuple(
            LabelEdge(first=learned.labels[i], second=learned.labels[j], coupling=coupling, strength=strength)
            for (i, j), coupling, strength in edges
        ),
        scores=tuple(
            LabelScore(
                metric=name,
                labeller=interval_of(row.first),
                independent=interval_of(row.second),
                difference=interval_of(row.difference),
            )
            for name, row in compared.items()
        ),
        items=ItemCounts(
            catalogue=learned.catalogue,
            log=learned.log,
            common=learned.common,
            untagged=learned.untagged,
            trained=learned.trained,
            held_out=learned.held_out,
        ),
        ridge=learned.ridge,
        independent_ridge=learned.independent_ridge,
        planted_edges=planted_edges if {name for pair in planted_edges or () for name in pair} <= known else None,
    )
