"""Where a run's outputs come from, as its ML Metadata store tells it; the store is only read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml
from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipelines.metadata_config import MetadataConfig
from pipelines.metadata_connection import metadata_connection
from pipelines.report.run_folders import CONFIG_FILE, METADATA_FILE
from seriatim_errors import DataError

STATES = {
    metadata_store_pb2.Execution.RUNNING: "not finished",
    metadata_store_pb2.Execution.COMPLETE: "made",
    metadata_store_pb2.Execution.FAILED: "failed",
    metadata_store_pb2.Execution.CACHED: "cached",
    metadata_store_pb2.Execution.CANCELED: "cancelled",
}
# What every artifact carries and nobody asks for.
UNTOLD = ("tfx_version", "is_external", "stats_dashboard_link", "payload_format")
EVALUATOR, BASELINE = "BundleEvaluator", "baseline"
EXAMPLES, PUSHED = "Examples", "PushedModel"


@dataclass(frozen=True)
class Artifact:
    """An artifact.

    Attributes:
        type: as ML Metadata calls it, such as `Examples`.
        place: its folder, from the run's folder on where it lies there.
        facts: what is recorded of it, such as fingerprint and split names.
        made_in: start of the run of this pipeline that made it, ISO 8601; None where that is not recorded.
    """

    type: str
    place: str
    facts: Mapping[str, str]
    made_in: str | None


@dataclass(frozen=True)
class Step:
    """One component of the run.

    Attributes:
        component: its name.
        state: `made`, `cached`, `failed`, `cancelled` or `not finished`.
        started: UTC, ISO 8601.
        seconds: wall time.
        settings: what it was given beside its inputs.
        inputs, outputs: (name, id of the artifact).
    """

    component: str
    state: str
    started: str
    seconds: float
    settings: Mapping[str, str]
    inputs: Sequence[tuple[str, int]]
    outputs: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Lineage:
    """The newest run in a store: when it started, its components in order, and their artifacts by id."""

    started: str
    steps: Sequence[Step]
    artifacts: Mapping[int, Artifact]

    @property
    def baseline(self) -> str | None:
        """Folder of the bundle that the run's was compared with; empty without one, None where that is not recorded."""
        found = [step.settings[BASELINE] for step in self.steps if BASELINE in step.settings]
        return found[-1] if found else None

    @property
    def data(self) -> list[Artifact]:
        """What was learned from and judged by, and whatever else carries a fingerprint of data."""
        return [one for one in self.artifacts.values() if one.type == EXAMPLES or "fingerprint" in one.facts]

    @property
    def pushed(self) -> list[Artifact]:
        """What was pushed, or would have been."""
        return [one for one in self.artifacts.values() if one.type == PUSHED]

    @property
    def earlier(self) -> dict[str, list[str]]:
        """Runs in the same folder whose outputs this one used again: the components, by when that run started."""
        runs: dict[str, list[str]] = {}
        for step in self.steps:
            for made_in in {self.artifacts[artifact].made_in for _, artifact in step.outputs}:
                if made_in is not None and made_in != self.started:
                    runs.setdefault(made_in, []).append(step.component)
        return runs


def read_lineage(run_folder: Path) -> Lineage | None:
    """The lineage of the newest run in the store of a run's folder; None where nothing is recorded.

    Raises:
        DataError: the store cannot be read, for instance while a run writes to it.
    """
    pipeline, config = _recorded(run_folder)
    path = run_folder / METADATA_FILE
    if config.kind == "sqlite" and not path.is_file():
        return None
    connection = metadata_connection(config, run_folder, read_only=True)
    try:
        return _newest(MetadataStore(connection), pipeline, run_folder.resolve())
    except (errors.StatusError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        where = str(path) if config.kind == "sqlite" else f"ML Metadata ({config.kind} at {config.host})"
        raise DataError(f"{where} cannot be read ({reason}); look again when no run writes to it") from None


def _recorded(run_folder: Path) -> tuple[str | None, MetadataConfig]:
    """The pipeline's name and where its metadata lie, as the run's own configuration says, where there is one."""
    path = run_folder / CONFIG_FILE
    values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    recorded = values if isinstance(values, dict) else {}
    return recorded.get("name"), MetadataConfig.model_validate(recorded.get("metadata", {}))


def _newest(store: MetadataStore, pipeline: str | None, folder: Path) -> Lineage | None:
    own = None if pipeline is None else store.get_context_by_type_and_name("pipeline", pipeline)
    if own is None and pipeline is None:
        own = max(store.get_contexts_by_type("pipeline"), key=lambda context: context.id, default=None)
    newest = max(store.get_executions_by_context(own.id), key=lambda one: one.id, default=None) if own else None
    started = None if newest is None else _context(store, newest.id, "pipeline_run")
    if started is None:
        return None
    run = store.get_context_by_type_and_name("pipeline_run", started)
    executions = sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id)
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    ids = sorted({event.artifact_id for event in events})
    made_in = _makers(store, ids)
    artifacts = {one.id: _artifact(one, folder, made_in.get(one.id)) for one in store.get_artifacts_by_id(ids)}
    steps = [
        _step(store, execution, [event for event in events if event.execution_id == execution.id])
        for execution in executions
    ]
    return Lineage(started, steps, artifacts)


def _makers(store: MetadataStore, artifacts: Iterable[int]) -> dict[int, str]:
    """The run that first put out each artifact, by the artifact's id."""
    first: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(artifacts):
        if event.type == metadata_store_pb2.Event.OUTPUT:
            first[event.artifact_id] = min(event.execution_id, first.get(event.artifact_id, event.execution_id))
    runs = {execution: _context(store, execution, "pipeline_run") for execution in set(first.values())}
    return {artifact: run for artifact, execution in first.items() if (run := runs[execution]) is not None}


def _context(store: MetadataStore, execution: int, kind: str) -> str | None:
    named = [one.name for one in store.get_contexts_by_execution(execution) if one.type == kind]
    return named[0] if named else None


def _step(
    store: MetadataStore,
    execution: metadata_store_pb2.Execution,
    events: Sequence[metadata_store_pb2.Event],
) -> Step:
    node, pipeline = _context(store, execution.id, "node"), _context(store, execution.id, "pipeline")
    component = execution.type.rsplit(".", 1)[-1] if node is None else node.removeprefix(f"{pipeline}.")
    given = {**execution.properties, **execution.custom_properties}
    took = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return Step(
        component=component,
        state=STATES.get(execution.last_known_state, "not finished"),
        started=datetime.fromtimestamp(execution.create_time_since_epoch / 1000, timezone.utc).isoformat(
            timespec="seconds"
        ),
        seconds=max(0, took) / 1000,
        settings={name: _text(value) for name, value in sorted(given.items()) if not name.startswith("__")},
        inputs=_ends(events, metadata_store_pb2.Event.INPUT),
        outputs=_ends(events, metadata_store_pb2.Event.OUTPUT),
    )


def _ends(events: Sequence[metadata_store_pb2.Event], kind: int) -> list[tuple[str, int]]:
    return sorted(
        (next((step.key for step in event.path.steps if step.key), ""), event.artifact_id)
        for event in events
        if event.type == kind
    )


def _artifact(artifact: metadata_store_pb2.Artifact, folder: Path, made_in: str | None) -> Artifact:
    place = Path(artifact.uri)
    inside = place.is_relative_to(folder)
    told = {**artifact.properties, **artifact.custom_properties}
    return Artifact(
        type=artifact.type,
        place=str(place.relative_to(folder)) if inside else artifact.uri,
        facts={name: text for name in sorted(told) if name not in UNTOLD and (text := _text(told[name]))},
        made_in=made_in,
    )


def _text(value: metadata_store_pb2.Value) -> str:
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        fields = value.struct_value.fields
        return json.dumps({name: fields[name].number_value for name in sorted(fields)})
    return "" if kind is None else str(getattr(value, kind))
