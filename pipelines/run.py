"""One run of a pipeline: prepare the log, run the components, leave metrics, report and config behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.anomalies import read_anomalies
from pipelines.catalogue_of_run import catalogue_of_run
from pipelines.checked_logs.span_split import told_of_days
from pipelines.config import PipelineConfig
from pipelines.earlier_bundles import baseline_bundle, own_bundle
from pipelines.evaluated_columns import require_evaluated_columns
from pipelines.fingerprints import data_fingerprint
from pipelines.images_of_run import images_of_run
from pipelines.ingest import PreparedLog, prepare_log
from pipelines.labels import require_labels, require_propensities
from pipelines.phases import PHASES, Phase, until
from pipelines.pushed_bundles import PushedBundles
from pipelines.quiet import errors_to
from pipelines.remote_inputs import with_local_inputs
from pipelines.report.drift_metrics import DriftMetrics
from pipelines.report.metrics_file import METRICS_FILE, ComponentTime, Metrics, read_metrics
from pipelines.report.metrics_parquet import write_tables
from pipelines.report.run_folders import CONFIG_FILE
from pipelines.run_lock import only_process_in
from pipelines.simulation import SimulationSettings, simulated_format, write_marketplace
from pipelines.warm_start import warm_start_of

LOG_FILE = "log.txt"


@dataclass(frozen=True)
class RunProgress:
    """Calls a run makes as it goes on, for people who watch."""

    say: Callable[[str], None]
    plan: Callable[[list[str]], None]
    start: Callable[[str], None]
    finish: Callable[[ComponentTime], None]


@dataclass(frozen=True)
class FinishedRun:
    """What a run left: its metrics, where they lie, and the bundle it pushed (None when not blessed)."""

    folder: Path
    metrics: Metrics
    bundle: Path | None


def run(
    config: PipelineConfig, progress: RunProgress, last: Phase = PHASES[-1], replacing_later: bool = False
) -> FinishedRun | None:
    """Run the pipeline that `config` describes.

    Args:
        config: the configuration.
        progress: is told how it goes.
        last: phase to end after; later runs go on from there.
        replacing_later: whether a blessed bundle is pushed though one of later days is there, as nothing serves it.

    Returns:
        What the run left; None when it ended before the last phase.

    Raises:
        DataError: log or item catalogue break their contract, or lack a column that the configuration learns from.
        PipelineError: a component failed, run again to continue; or another process runs in the same folder.
    """
    with only_process_in(config.run_folder, "run folder"):
        return _run_alone(config, progress, last, replacing_later)


def _run_alone(config: PipelineConfig, progress: RunProgress, last: Phase, replacing_later: bool) -> FinishedRun | None:
    simulate, path = config.data.simulate, config.data.path
    if simulate is not None and not path.local.exists():
        log_format = simulated_format(path.local)
        progress.say(f"simulating a marketplace of {simulate.requests} requests into {path.local.parent}")
        settings = SimulationSettings(requests=simulate.requests, seed=simulate.seed)
        write_marketplace(settings, path.local.parent, log_format)
    folder = config.run_folder
    bundles = PushedBundles(config, progress.say)
    given, config = config, with_local_inputs(config, progress.say)
    data = config.data
    log = prepare_log(data, config.seed, folder / "input")
    for sentence in _describe(log):
        progress.say(sentence)
    require_labels(config, log.labels)
    require_propensities(config, log.column_names())
    require_evaluated_columns(config.evaluation, log)
    catalogue = catalogue_of_run(config, log, progress.say)
    images = images_of_run(config, log, progress.say)
    folder.mkdir(parents=True, exist_ok=True)
    resolved = yaml.safe_dump(given.model_dump(mode="json"), sort_keys=False)
    (folder / CONFIG_FILE).write_text(resolved, encoding="utf-8")
    progress.say("loading TFX")
    # TFX takes many seconds to import; everything that can fail for a user's mistake comes before.
    with errors_to(folder / LOG_FILE):
        from pipelines.drift import drift_of_run
        from pipelines.metadata_connection import metadata_connection, require_store
        from pipelines.pipeline import PipelineInputs, build_pipeline
        from pipelines.runner import run_pipeline

    connection = metadata_connection(config.metadata, folder)
    require_store(connection, config.metadata)
    later = None if log.spans is None or replacing_later else bundles.later(log.spans.last)
    earlier = baseline_bundle(config, bundles, data_fingerprint(log, catalogue, images), log.spans)
    inputs = PipelineInputs(
        config=config,
        log=log,
        catalogue=catalogue,
        images=images,
        baseline=None if earlier is None else earlier.folder,
        warm_start=warm_start_of(config, log.spans, earlier),
        later=later or "",
    )
    whole = build_pipeline(inputs)
    components = until(last, whole, [component.id for component in whole])
    progress.plan([component.id for component in components])
    runs = run_pipeline(
        components,
        config.name,
        folder,
        connection,
        config.beam_options,
        progress.start,
        lambda run: progress.finish(ComponentTime(component=run.component, seconds=run.seconds, cached=run.cached)),
    )
    times = tuple(ComponentTime(component=r.component, seconds=r.seconds, cached=r.cached) for r in runs)
    [validator] = [r for r in runs if r.component == "ExampleValidator"]
    for sentence in read_anomalies(validator.outputs["anomalies"]):
        progress.say(f"anomaly in {sentence}")
    if last != PHASES[-1]:
        return None
    [evaluation] = [r.outputs["evaluation"] for r in runs if r.component == "BundleEvaluator"]
    [statistics] = [r.outputs["statistics"] for r in runs if r.component == "StatisticsGen"]
    with errors_to(folder / LOG_FILE):
        drift = drift_of_run(connection, config.name, statistics, config.evaluation.drift_threshold)
    finished = _conclude(config, bundles, read_metrics(evaluation / METRICS_FILE), times, drift)
    if later and finished.bundle is None and finished.metrics.blessing.blessed:
        progress.say(f"not pushed: bundle {later}, which is of later days, is there")
    return finished


def _conclude(
    config: PipelineConfig,
    bundles: PushedBundles,
    metrics: Metrics,
    times: tuple[ComponentTime, ...],
    drift: DriftMetrics | None,
) -> FinishedRun:
    """Copy the evaluation's metrics into the run folder with what only the whole run knows; send the bundle."""
    bundle = None
    if metrics.blessing.blessed:
        bundle = own_bundle(bundles, metrics.run.config_fingerprint, metrics.run.data_fingerprint)
    run_summary = metrics.run.model_copy(update={"bundle_version": bundle.name if bundle else None})
    metrics = metrics.model_copy(update={"components": times, "drift": drift, "run": run_summary})
    metrics.save(config.run_folder / METRICS_FILE)
    write_tables(metrics, config.run_folder)
    if bundle is not None:
        bundles.send(bundle.name)
    return FinishedRun(config.run_folder, metrics, bundle)


def _describe(log: PreparedLog) -> Iterator[str]:
    yield from told_of_days(log.spans, log.passed_over)
    if log.discarded:
        told = ", ".join(f"{count} {reason}" for reason, count in log.discarded.items())
        yield f"events that are no rows and no clicks, kept in discarded.parquet: {told}"
    quarantined = sum(log.quarantined.values())
    yield (
        f"click log {log.fingerprint}: {log.requests['train']} training and {log.requests['eval']} evaluation "
        f"requests, {sum(log.rows.values())} rows, {len(log.columns.names)} features, {quarantined} rows quarantined"
    )
