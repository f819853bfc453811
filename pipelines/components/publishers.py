"""Components from trained stages to a pushed bundle: evaluate, build, validate, push."""

import json
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import (
    Examples,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelEvaluation,
    PushedModel,
)

from pipelines.components.artifacts import ItemImageFeatures, SimulatedClicks
from pipelines.components.trainers import made, training_data
from pipelines.config import PipelineConfig
from pipelines.evaluation.evaluate import EvaluationInput, evaluate, flat_metrics
from pipelines.evaluation.images import image_metrics
from pipelines.evaluation.judged_items import JUDGED_FILE
from pipelines.fingerprints import fingerprint
from pipelines.report.image_metrics import ImageMetrics
from pipelines.report.metrics_file import METRICS_FILE, DataSummary, RunSummary, read_metrics
from pipelines.stages.bundle import Provenance, TrainedStages, build_bundle, draft_bundle
from pipelines.stages.item_features import latest_features, with_item_features
from pipelines.stages.push import push_bundle
from pipelines.stages.training_data import EVALUATION, TRAIN, columns_from_json
from seriatim_errors import BundleError
from serving.bundle import TrainingDataSummary, bundle_versions, open_bundle

BLESSED, NOT_BLESSED = 1, 0


@component
def BundleEvaluator(  # noqa: N802  (components are named like classes)
    examples: InputArtifact[Examples],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    columns: Parameter[str],
    config: Parameter[str],
    data: Parameter[str],
    baseline: Parameter[str],
    log_path: Parameter[str],
    code: Parameter[str],
    base_ranker: InputArtifact[Model] = None,
    gate: InputArtifact[Model] = None,
    seq2slate: InputArtifact[Model] = None,
    labeller: InputArtifact[Model] = None,
    clicks: InputArtifact[SimulatedClicks] = None,
    image_features: InputArtifact[ItemImageFeatures] = None,
    without_images: InputArtifact[Model] = None,
) -> None:
    """Evaluate the trained stages in the serving runtime and bless them by the configured rule.

    Args:
        examples: requests of both splits.
        evaluation: `metrics.json`, and the judged items where they are ranked.
        blessing: blessed or not.
        columns, config, code: features, configuration (JSON) and code fingerprint.
        data: summary of the prepared log and of the catalogue (JSON).
        baseline: folder of the bundle in service, or empty.
        log_path: the log itself, for off-policy evaluation, or empty.
        base_ranker, gate, seq2slate, labeller: trained stages, as configured.
        clicks: simulated clicks, when configured.
        image_features: of the items' thumbnails, when configured.
        without_images: the base ranker that reads the log's features alone, to compare with.
    """
    settings = PipelineConfig.model_validate_json(config)
    lists = training_data(examples, columns, clicks)
    summary = json.loads(data)
    stages = _trained(base_ranker, gate, seq2slate, labeller)
    provenance = _provenance(summary, code, config, datetime.now(timezone.utc))
    with tempfile.TemporaryDirectory(prefix="seriatim-draft-") as folder:
        draft = draft_bundle(Path(folder), stages, lists.columns, settings, provenance)
        metrics = evaluate(
            EvaluationInput(
                train=lists.lists(TRAIN),
                evaluation=lists.lists(EVALUATION),
                draft=draft,
                stages=stages,
                baseline=open_bundle(Path(baseline)) if baseline else None,
                config=settings,
                run=RunSummary(
                    name=settings.name,
                    created=provenance.created.isoformat(timespec="seconds"),
                    seed=settings.seed,
                    config_fingerprint=provenance.config_fingerprint,
                    data_fingerprint=provenance.data.fingerprint,
                ),
                data=DataSummary.model_validate(summary["counts"]),
                planted_edges=summary["planted_edges"],
                log_path=Path(log_path) if log_path else None,
                images=_images(image_features),
                without_images=None if without_images is None else Path(without_images.uri),
                judged=made(evaluation.uri) / JUDGED_FILE,
            )
        )
    metrics.save(made(evaluation.uri) / METRICS_FILE)
    blessed = metrics.blessing.blessed
    blessing.set_int_custom_property("blessed", BLESSED if blessed else NOT_BLESSED)
    (made(blessing.uri) / ("BLESSED" if blessed else "NOT_BLESSED")).write_text(metrics.blessing.reason)


@component
def BundleBuilder(  # noqa: N802
    examples: InputArtifact[Examples],
    evaluation: InputArtifact[ModelEvaluation],
    bundle: OutputArtifact[Model],
    columns: Parameter[str],
    config: Parameter[str],
    data: Parameter[str],
    code: Parameter[str],
    base_ranker: InputArtifact[Model] = None,
    gate: InputArtifact[Model] = None,
    seq2slate: InputArtifact[Model] = None,
    labeller: InputArtifact[Model] = None,
) -> None:
    """Seal the trained stages as one bundle under the artifact's folder."""
    settings = PipelineConfig.model_validate_json(config)
    lists = training_data(examples, columns, None)
    provenance = _provenance(json.loads(data), code, config, datetime.now(timezone.utc))
    metrics = flat_metrics(read_metrics(Path(evaluation.uri) / METRICS_FILE))
    with tempfile.TemporaryDirectory(prefix="seriatim-draft-") as folder:
        draft = draft_bundle(
            Path(folder),
            _trained(base_ranker, gate, seq2slate, labeller),
            columns_from_json(columns),
            settings,
            provenance,
        )
        evaluation_lists = lists.lists(EVALUATION)
        if settings.serving.item_features:
            splits = [
                (lists.lists(TRAIN), lists.timestamps(TRAIN)),
                (evaluation_lists, lists.timestamps(EVALUATION)),
            ]
            draft = with_item_features(draft, latest_features(splits, lists.columns))
        build_bundle(made(bundle.uri), draft, evaluation_lists, settings, metrics)


@component
def ServingValidator(  # noqa: N802
    bundle: InputArtifact[Model], blessing: OutputArtifact[InfraBlessing], code: Parameter[str]
) -> None:
    """Load the bundle as the service would, in a process without TensorFlow, and rank its golden requests."""
    folder = only_bundle(Path(bundle.uri))
    checked = subprocess.run(
        [sys.executable, "-m", "serving.check", str(folder)], capture_output=True, text=True, check=False
    )
    passed = checked.returncode == 0
    blessing.set_int_custom_property("blessed", BLESSED if passed else NOT_BLESSED)
    message = checked.stdout if passed else checked.stderr
    (made(blessing.uri) / ("INFRA_BLESSED" if passed else "INFRA_NOT_BLESSED")).write_text(message)
    if not passed:
        raise BundleError(f"the serving runtime refuses {folder}: {message.strip()}")


@component
def BundlePusher(  # noqa: N802
    bundle: InputArtifact[Model],
    model_blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    pushed: OutputArtifact[PushedModel],
    bundle_folder: Parameter[str],
    later: Parameter[str],
    code: Parameter[str],
) -> None:
    """Publish a blessed bundle to `bundle_folder`; one that is not blessed stays where it is.

    So does one where `later` names a bundle of later days: what serves takes the bundle that was made last.
    """
    blessed = all(
        artifact.get_int_custom_property("blessed") == BLESSED for artifact in (model_blessing, infra_blessing)
    )
    push = blessed and not later
    pushed.set_int_custom_property("pushed", BLESSED if push else NOT_BLESSED)
    made(pushed.uri)
    if push:
        target = push_bundle(only_bundle(Path(bundle.uri)), Path(bundle_folder))
        pushed.set_string_custom_property("pushed_destination", str(target))
        pushed.set_string_custom_property("pushed_version", target.name)


def only_bundle(folder: Path) -> Path:
    """The one bundle in an artifact's folder."""
    [version] = bundle_versions(folder)
    return folder / version


def _trained(
    base_ranker: Model | None, gate: Model | None, seq2slate: Model | None, labeller: Model | None
) -> TrainedStages:
    return TrainedStages(
        *(None if artifact is None else Path(artifact.uri) for artifact in (base_ranker, gate, seq2slate, labeller))
    )


def _images(features: ItemImageFeatures | None) -> ImageMetrics | None:
    if features is None:
        return None
    return image_metrics(Path(features.uri), Path(features.get_string_custom_property("cascade")))


def _provenance(summary: dict, code: str, config: str, created: datetime) -> Provenance:
    spans = DataSummary.model_validate(summary["counts"]).spans
    data = TrainingDataSummary(
        fingerprint=summary["fingerprint"],
        requests=summary["counts"]["requests"][TRAIN],
        rows=summary["counts"]["rows"][TRAIN],
        held_out=summary["held_out"],
        first_day=spans and spans.first,
        trained_until=spans and spans.trained_until,
        last_day=spans and spans.last,
    )
    return Provenance(data=data, config_fingerprint=fingerprint([config, code]), created=created)
