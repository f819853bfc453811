"""Run a TFX pipeline on this machine: progress for people, everything else to the log, resume by cache."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.local import runner_utils
from tfx.orchestration.metadata import Metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.orchestration.portable.launcher import Launcher
from tfx.orchestration.portable.tfx_runner import IrBasedRunner
from tfx.proto.orchestration import pipeline_pb2

from pipelines.quiet import errors_to
from pipelines.steady_batches import batch_by_size
from seriatim_errors import PipelineError

LOG_FILE = "log.txt"


@dataclass(frozen=True)
class ComponentRun:
    """One component in a finished run.

    Attributes:
        component: its name.
        seconds: wall time.
        cached: whether ML Metadata had its outputs already.
        outputs: folders of its output artifacts by name.
    """

    component: str
    seconds: float
    cached: bool
    outputs: dict[str, Path]


def run_pipeline(
    components: Sequence[BaseNode],
    name: str,
    run_folder: Path,
    connection: metadata_store_pb2.ConnectionConfig,
    beam_options: Sequence[str],
    on_start: Callable[[str], None] = lambda component: None,
    on_finish: Callable[[ComponentRun], None] = lambda run: None,
) -> list[ComponentRun]:
    """Run `components` in order, reusing the outputs of those whose inputs and settings are unchanged.

    Artefacts lie under `run_folder/artifacts/`, all library output in `run_folder/log.txt`. A run that was killed is
    continued by calling this again: outputs that a component had not finished publishing are never read.

    Args:
        components: the pipeline's components.
        name: the pipeline's name in ML Metadata.
        run_folder: folder of the run, made when absent.
        connection: of ML Metadata's store.
        beam_options: options of every Beam pipeline.
        on_start, on_finish: called around every component, for progress.

    Raises:
        PipelineError: a component failed; the message names it and the log.
    """
    run_folder = run_folder.resolve()
    run_folder.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(
        pipeline_name=name,
        pipeline_root=str(run_folder / "artifacts"),
        components=list(components),
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(beam_options),
    )
    batch_by_size()
    runner = _WatchedRunner(on_start, on_finish)
    with _logged_to(run_folder / LOG_FILE):
        try:
            runner.run(pipeline)
        except Exception as error:
            traceback.print_exc()
            raise PipelineError(
                f"component {runner.current} failed: {type(error).__name__}: {error}\n"
                f"the log is {run_folder / LOG_FILE}; finished components are kept, run again to continue"
            ) from error
    return runner.finished


class _WatchedRunner(IrBasedRunner):
    """TFX's local runner with a call before and after every component; its own offers no such hook."""

    def __init__(self, on_start: Callable[[str], None], on_finish: Callable[[ComponentRun], None]) -> None:
        self.finished: list[ComponentRun] = []
        self.current = "(none)"
        self._on_start, self._on_finish = on_start, on_finish

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Launch the nodes of `pipeline`, which stand in topological order; `run_options` is not used."""
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {PIPELINE_RUN_ID_PARAMETER_NAME: datetime.now(timezone.utc).isoformat()}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        chosen = deployment.metadata_connection_config.WhichOneof("connection_config")
        connection = getattr(deployment.metadata_connection_config, chosen)
        for node in pipeline.nodes:
            self.current = node.pipeline_node.node_info.id
            self._on_start(self.current)
            since = time.perf_counter()
            Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, self.current),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, self.current),
            ).launch()
            seconds = round(time.perf_counter() - since, 3)
            cached, outputs = _published(connection, pipeline.pipeline_info.id, self.current)
            self.finished.append(ComponentRun(self.current, seconds, cached, outputs))
            self._on_finish(self.finished[-1])


def _published(
    connection: metadata_store_pb2.ConnectionConfig, pipeline: str, component: str
) -> tuple[bool, dict[str, Path]]:
    """Whether the component's newest execution was a cache hit, and the folders of its outputs by name."""
    store = MetadataStore(connection)
    context = store.get_context_by_type_and_name("node", f"{pipeline}.{component}")
    newest = max(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
    outputs = {}
    for event in store.get_events_by_execution_ids([newest.id]):
        if event.type == metadata_store_pb2.Event.OUTPUT:
            [artifact] = store.get_artifacts_by_id([event.artifact_id])
            outputs[event.path.steps[0].key] = Path(artifact.uri)
    return newest.last_known_state == metadata_store_pb2.Execution.CACHED, outputs


@contextlib.contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Send Python logging and everything on standard error to the log file."""
    absl_logger = logging.getLogger("absl")
    level = absl_logger.level
    with errors_to(path) as log:
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        absl_logger.setLevel(logging.INFO)
        absl_logger.addHandler(handler)
        try:
            yield
        finally:
            absl_logger.removeHandler(handler)
            absl_logger.setLevel(level)
