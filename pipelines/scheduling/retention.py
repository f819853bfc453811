"""Remove what old runs left: history and logs, artefacts, prepared logs and bundles that nothing needs any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config import PipelineConfig
from pipelines.report.run_folders import METADATA_FILE
from pipelines.run_lock import only_process_in
from pipelines.scheduling.history import forget_old
from pipelines.scheduling.outcome import config_of
from pipelines.scheduling.schedule import Schedule
from serving.bundle import bundle_versions
from serving.models.traffic import read_rules

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto.metadata_store_pb2 import Execution

REMOVED_PREFIX = ".removed-"
# The last component of a run: one that has it was finished.
LAST_COMPONENT = "BundlePusher"


@dataclass(frozen=True)
class Pruned:
    """How much of each kind was removed."""

    runs: int
    artifacts: int
    prepared_logs: int
    bundles: int


def prune(home: Path, schedule: Schedule) -> Pruned:
    """Remove what the schedule's limits do not keep.

    Raises:
        ConfigError: the pipeline's configuration is wrong.
        FolderBusyError: a run goes on in its folder.
        TrafficError: the file of traffic rules cannot be read; no bundle is removed then.
    """
    config = config_of(schedule)
    runs = artifacts = prepared = bundles = 0
    if schedule.keep_runs is not None:
        logs = forget_old(home, schedule.name, schedule.keep_runs)
        runs = len(logs)
        for log in logs:
            (home / log).unlink(missing_ok=True)
    with only_process_in(config.run_folder, "run folder"):
        if schedule.keep_runs is not None and _has_run(config):
            artifacts, prepared = prune_artifacts(config, schedule.keep_runs)
        if schedule.keep_bundles is not None:
            bundles = len(prune_bundles(config, schedule.keep_bundles))
    return Pruned(runs, artifacts, prepared, bundles)


def prune_artifacts(config: PipelineConfig, keep: int) -> tuple[int, int]:
    """Remove artefacts and prepared logs that none of the newest `keep` finished runs of the pipeline made or used.

    Those of unfinished runs after the oldest that is kept stay too. An artefact is marked as deleted in ML Metadata
    before its files go, so no later run takes it from the cache. Other pipelines in the same store are left alone.

    Returns:
        How many folders of artefacts and how many prepared logs were removed.

    Raises:
        ConfigError: the variable of the store's password is not set.
        PipelineError: the store cannot be reached.
    """
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as proto

    from pipelines.metadata_connection import metadata_connection, require_store

    run_folder = config.run_folder
    connection = metadata_connection(config.metadata, run_folder)
    require_store(connection, config.metadata)
    store = MetadataStore(connection)
    pipeline = store.get_context_by_type_and_name("pipeline", config.name)
    executions = None if pipeline is None else _executions_of_newest(store, pipeline.id, keep)
    if pipeline is None or executions is None:
        return 0, 0
    events = store.get_events_by_execution_ids([one.id for one in executions])
    kept = {event.artifact_id for event in events}
    old = [
        artifact
        for artifact in store.get_artifacts_by_context(pipeline.id)
        if artifact.id not in kept and artifact.state != proto.Artifact.DELETED
    ]
    for artifact in old:
        artifact.state = proto.Artifact.DELETED
    if old:
        store.put_artifacts(old)
    places = {_place(artifact.uri) for artifact in store.get_artifacts_by_id(sorted(kept))}
    # What killed runs left was never published, so the folders are gone through rather than the store.
    folders = [
        folder
        for folder in (run_folder / "artifacts").glob("*/*/*")
        if folder.name.isdigit() and folder.is_dir() and _place(str(folder)) not in places
    ]
    used = {
        Path(one.custom_properties[name].string_value).name
        for one in executions
        for name in one.custom_properties
        if name.endswith("log_folder")
    }
    logs = [folder for folder in (run_folder / "input").glob("*") if folder.is_dir() and folder.name not in used]
    return _remove(folders), _remove(logs) if used else 0


def prune_bundles(config: PipelineConfig, keep: int) -> list[str]:
    """Remove all bundles but the newest, those that traffic rules name, and those that one could go back to.

    Returns:
        The versions removed.

    Raises:
        TrafficError: the rules cannot be read.
    """
    versions = bundle_versions(config.bundle_folder)
    rules = read_rules(config.bundle_folder)
    named = {*rules.traffic.versions, *(rules.before.versions if rules.before else ())}
    old = [version for version in versions if version not in kept_bundles(versions, named, rules.traffic.stable, keep)]
    _remove([config.bundle_folder / version for version in old])
    return old


def kept_bundles(versions: Sequence[str], named: Iterable[str], stable: str, keep: int) -> set[str]:
    """Versions that stay: the newest `keep`, those `named`, the one in service and the one before it.

    Args:
        versions: all there are, oldest first.
        named: by the traffic rules in force and by those before.
        stable: version in service; empty for the newest.
        keep: at least 1.
    """
    in_service = versions.index(stable) if stable in versions else len(versions) - 1
    around = versions[max(0, in_service - 1) : in_service + 1]
    return {*versions[-keep:], *around, *named}


def _has_run(config: PipelineConfig) -> bool:
    """Whether there can be a store of a pipeline: asking SQLite for one makes it."""
    return config.metadata.kind != "sqlite" or (config.run_folder / METADATA_FILE).exists()


def _executions_of_newest(store: MetadataStore, pipeline: int, keep: int) -> list[Execution] | None:
    """Executions from the newest `keep` finished runs on; None where there are not more than those."""
    all_own = {one.id for one in store.get_executions_by_context(pipeline)}
    runs = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: -context.id)
    types = {one.id: one.name for one in store.get_execution_types()}
    executions, finished = [], 0
    for run in runs:
        own = [one for one in store.get_executions_by_context(run.id) if one.id in all_own]
        executions += own
        # States 3 and 5 of ML Metadata: complete, and taken from the cache.
        finished += any(
            types[one.type_id].rsplit(".", 1)[-1] == LAST_COMPONENT and one.last_known_state in (3, 5) for one in own
        )
        if finished == keep:
            return executions
    return None


def _place(uri: str) -> tuple[str, ...]:
    """Component, output and number: where an artefact lies, however its run folder was moved."""
    return Path(uri).parts[-3:]


def _remove(folders: Sequence[Path]) -> int:
    """Remove folders; each is out of sight at once, so that none is ever seen by half."""
    for folder in folders:
        hidden = folder.with_name(f"{REMOVED_PREFIX}{folder.name}")
        shutil.rmtree(hidden, ignore_errors=True)
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
    return len(folders)
