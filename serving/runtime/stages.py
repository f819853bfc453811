"""The stages of a bundle, loaded and held against its manifest."""

from __future__ import annotations

from dataclasses import dataclass

from seriatim_errors import BundleError
from serving.bundle.manifest import BaseRankerStage, GateStage, LabellerStage, Seq2SlateStage
from serving.bundle.reader import Bundle
from serving.runtime.base_ranker import BaseRanker
from serving.runtime.first_step import FirstStep
from serving.runtime.gate import Gate
from serving.runtime.labeller import Labeller
from serving.runtime.seq2slate import Seq2Slate


@dataclass(frozen=True)
class Stages:
    """What a bundle ranks with; None for a stage that it lacks."""

    base_ranker: BaseRanker | None
    gate: Gate | None
    seq2slate: Seq2Slate | None
    first_step: FirstStep | None
    labeller: Labeller | None


def load_stages(bundle: Bundle) -> Stages:
    """Load all stages.

    Raises:
        BundleError: a stage's file cannot be loaded, or is not what the manifest says: other features, another
            slate size, other counts of labels.
    """
    manifest, folder = bundle.manifest, bundle.folder
    base = gate = seq2slate = first_step = labeller = None
    for stage in manifest.stages:
        if isinstance(stage, BaseRankerStage):
            base = BaseRanker(folder / stage.file, len(manifest.features.names))
        elif isinstance(stage, GateStage):
            gate = Gate(folder / stage.file, stage.threshold)
            _require_features(bundle, stage.file, gate.feature_count)
        elif isinstance(stage, Seq2SlateStage):
            seq2slate = Seq2Slate(folder / stage.file, stage.slate_size, stage.max_list_size)
            _require_features(bundle, stage.file, seq2slate.feature_count)
            if stage.first_step is not None:
                first_step = FirstStep(folder / stage.first_step)
                _require_features(bundle, stage.first_step, first_step.feature_count)
        else:
            labeller = _labeller(bundle, stage)
    return Stages(base, gate, seq2slate, first_step, labeller)


def _labeller(bundle: Bundle, stage: LabellerStage) -> Labeller:
    labeller = Labeller(bundle.folder / stage.file, bundle.manifest.features.names)
    counts = len(labeller.label_names), labeller.edge_count
    if counts != (stage.labels, stage.edges):
        raise BundleError(
            f"{bundle.folder / stage.file} holds {counts[0]} labels and {counts[1]} edges, the manifest "
            f"says {stage.labels} and {stage.edges}; use another version"
        )
    return labeller


def _require_features(bundle: Bundle, file: str, count: int) -> None:
    width = len(bundle.manifest.features.names)
    if count != width:
        raise BundleError(
            f"{bundle.folder / file} reads {count} features, the manifest names {width}; use another version"
        )
