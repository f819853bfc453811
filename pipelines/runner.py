"""Run a TFX pipeline on this machine: progress for people, everything else to the log, resume by cache."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline

from seriatim_errors import PipelineError

METADATA_FILE = "metadata.sqlite"
LOG_FILE = "log.txt"
# What LocalDagRunner logs around every component; the one hook it offers.
RUNNING, FINISHED = "Component %s is running.", "Component %s is finished."


@dataclass(frozen=True)
class ComponentRun:
    """One component in a finished run: wall seconds, and whether ML Metadata had its outputs already."""

    component: str
    seconds: float
    cached: bool


def run_pipeline(
    components: Sequence[BaseNode],
    name: str,
    run_folder: Path,
    beam_options: Sequence[str],
    on_start: Callable[[str], None] = lambda component: None,
    on_finish: Callable[[ComponentRun], None] = lambda run: None,
) -> list[ComponentRun]:
    """Run `components` in order, reusing the outputs of those whose inputs and settings are unchanged.

    ML Metadata lies in `run_folder/metadata.sqlite`, artefacts under `run_folder/artifacts/`, all library
    output in `run_folder/log.txt`. A run that was killed is continued by calling this again: outputs that a
    component had not finished publishing are never read.

    Args:
        components: the pipeline's components.
        name: the pipeline's name in ML Metadata.
        run_folder: folder of the run, made when absent.
        beam_options: options of every Beam pipeline.
        on_start, on_finish: called around every component, for progress.

    Raises:
        PipelineError: a component failed; the message names it and the log.
    """
    run_folder = run_folder.resolve()
    run_folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite_metadata_connection_config(str(run_folder / METADATA_FILE))
    pipeline = Pipeline(
        pipeline_name=name,
        pipeline_root=str(run_folder / "artifacts"),
        components=list(components),
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(beam_options),
    )
    watch = _ComponentWatch(connection, on_start, on_finish)
    with _logged_to(run_folder / LOG_FILE, watch):
        try:
            LocalDagRunner().run(pipeline)
        except Exception as error:
            traceback.print_exc()
            raise PipelineError(
                f"component {watch.current} failed: {type(error).__name__}: {error}\n"
                f"the log is {run_folder / LOG_FILE}; finished components are kept, run again to continue"
            ) from error
    return watch.finished


class _ComponentWatch(logging.Handler):
    """Turns the runner's log lines into calls."""

    def __init__(
        self,
        connection: metadata_store_pb2.ConnectionConfig,
        on_start: Callable[[str], None],
        on_finish: Callable[[ComponentRun], None],
    ) -> None:
        super().__init__(logging.INFO)
        self.finished: list[ComponentRun] = []
        self.current = "(none)"
        self._connection, self._on_start, self._on_finish = connection, on_start, on_finish
        self._since = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == RUNNING:
            self.current, self._since = str(record.args[0]), time.perf_counter()  # type: ignore[index]
            self._on_start(self.current)
        elif record.msg == FINISHED:
            run = ComponentRun(
                self.current, round(time.perf_counter() - self._since, 3), self._was_cached(self.current)
            )
            self.finished.append(run)
            self._on_finish(run)

    def _was_cached(self, component: str) -> bool:
        store = MetadataStore(self._connection)
        [context] = [c for c in store.get_contexts_by_type("node") if c.name.endswith(f".{component}")]
        newest = max(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
        return newest.last_known_state == metadata_store_pb2.Execution.CACHED


@contextlib.contextmanager
def _logged_to(path: Path, watch: logging.Handler) -> Iterator[None]:
    """Send Python logging and everything on standard error, C++ included, to the log file."""
    absl_logger = logging.getLogger("absl")
    sys.stderr.flush()
    terminal = os.dup(2)
    level = absl_logger.level
    with path.open("a") as log:
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        os.dup2(log.fileno(), 2)
        absl_logger.setLevel(logging.INFO)
        absl_logger.addHandler(handler)
        absl_logger.addHandler(watch)
        try:
            yield
        finally:
            absl_logger.removeHandler(watch)
            absl_logger.removeHandler(handler)
            absl_logger.setLevel(level)
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
