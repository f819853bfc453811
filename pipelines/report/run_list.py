"""All runs of a folder, finished or not, the newest first."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from pipelines.report.compared_measures import served_metrics
from pipelines.report.comparison import label_order
from pipelines.report.metrics_file import METRICS_FILE, Interval, Metrics, read_metrics
from pipelines.report.run_folders import CONFIG_FILE, METADATA_FILE
from seriatim_errors import DataError

FILES = (METRICS_FILE, CONFIG_FILE, METADATA_FILE)
MOST_KEPT = 500


@dataclass(frozen=True)
class ListedRun:
    """One run.

    Attributes:
        name: of its folder.
        folder: where it lies.
        changed: seconds since the epoch at which its metrics were written, or else its other files.
        metrics: of it; None where there are none, or they cannot be read.
        problem: why there are no metrics, in a sentence; None where there are.
        lineage: whether it has a store of metadata.
    """

    name: str
    folder: Path
    changed: float
    metrics: Metrics | None
    problem: str | None
    lineage: bool

    @property
    def served(self) -> Interval | None:
        """The served slates in the metric of the verdict, on the labels that decided; None without it."""
        if self.metrics is None:
            return None
        for labels in label_order(self.metrics):
            found = served_metrics(self.metrics, labels).get(self.metrics.blessing.metric)
            if found is not None:
                return found
        return None

    @property
    def seconds(self) -> float:
        """Wall time of all components."""
        return sum(part.seconds for part in self.metrics.components) if self.metrics is not None else 0.0


def list_runs(runs: Path) -> list[ListedRun]:
    """Every folder right under `runs` that a run has left a file in, the newest first.

    A link that leads elsewhere is no run of this folder.

    Raises:
        DataError: `runs` cannot be read.
    """
    try:
        folders = [path for path in runs.iterdir() if path.is_dir() and path.resolve().parent == runs.resolve()]
    except OSError as error:
        raise DataError(f"{runs} cannot be read ({error.strerror}); name a folder of runs with --runs") from None
    found = [_listed(folder) for folder in folders if any((folder / name).is_file() for name in FILES)]
    return sorted(found, key=lambda run: (-run.changed, run.name))


def run_named(name: str, runs: Path) -> ListedRun:
    """The run of this name.

    Raises:
        DataError: `runs` has no such run; a path out of it is no name.
    """
    for run in list_runs(runs):
        if run.name == name:
            return run
    raise DataError(f"there is no run {name!r} in {runs}")


def _listed(folder: Path) -> ListedRun:
    written = [path.stat() for name in FILES if (path := folder / name).is_file()]
    metrics, problem = folder / METRICS_FILE, None
    read = None
    if not metrics.is_file():
        problem = "not finished: it has no metrics yet"
    elif metrics.resolve().parent != folder.resolve():
        problem = f"{METRICS_FILE} is a link that leads elsewhere"
    else:
        try:
            read = _read(metrics, written[0].st_mtime_ns, written[0].st_size)
        except DataError as error:
            problem = str(error)
    return ListedRun(folder.name, folder, written[0].st_mtime, read, problem, (folder / METADATA_FILE).is_file())


@functools.lru_cache(MOST_KEPT)
def _read(path: Path, _changed: int, _size: int) -> Metrics:
    """A metrics file as long as it stays as it is: reading hundreds of them for every look would take seconds."""
    return read_metrics(path)
