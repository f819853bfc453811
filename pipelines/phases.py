"""A run in phases, which a scheduler on many machines can run, watch and retry one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

Phase = Literal["data", "training", "evaluation", "publication"]
PHASES: tuple[Phase, ...] = ("data", "training", "evaluation", "publication")
COMPONENTS: dict[Phase, tuple[str, ...]] = {
    "data": (
        "CascadeTrainer",
        "ThumbnailScorer",
        "ItemCatalogueGen",
        "ClickLogExampleGen",
        "StatisticsGen",
        "SchemaGen",
        "ExampleValidator",
        "Transform",
    ),
    "training": (
        "BaseRanker",
        "BaseRankerWithoutImages",
        "ClickSimulator",
        "GateTrainer",
        "Seq2SlateTrainer",
        "LabellerTrainer",
    ),
    "evaluation": ("BundleEvaluator", "ModelAnalysis"),
    "publication": ("BundleBuilder", "ServingValidator", "BundlePusher"),
}
Node = TypeVar("Node")


def until(phase: Phase, components: Sequence[Node], names: Sequence[str]) -> list[Node]:
    """The components of a phase and of those before it, in their order.

    A phase reads what earlier ones left and nothing of later ones. So the phases run one after another are the whole
    run: each finds the outputs of those before it in ML Metadata.

    Args:
        phase: the last one.
        components: of the whole pipeline.
        names: one a component.
    """
    wanted = {name for one in PHASES[: PHASES.index(phase) + 1] for name in COMPONENTS[one]}
    return [component for component, name in zip(components, names, strict=True) if name in wanted]
