"""The component that leaves the evaluation in TensorFlow Model Analysis' own form."""

from pathlib import Path

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelEvaluation

from pipelines.components.trainers import made
from pipelines.config import EvaluationConfig
from pipelines.evaluation.judged_items import JUDGED_FILE


@component(use_beam=True)
def ModelAnalysis(  # noqa: N802  (components are named like classes)
    evaluation: InputArtifact[ModelEvaluation],
    analysis: OutputArtifact[ModelEvaluation],
    settings: Parameter[str],
    code: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Analyse the judged items, where there are any; `code` is part of the cache key alone."""
    judged, folder = Path(evaluation.uri) / JUDGED_FILE, made(analysis.uri)
    if not judged.exists():
        return
    # Takes ten seconds to import, which a cached run need not wait for.
    from pipelines.evaluation.model_analysis import analyse

    with beam_pipeline as pipeline:
        analyse(pipeline, judged, EvaluationConfig.model_validate_json(settings), folder)
