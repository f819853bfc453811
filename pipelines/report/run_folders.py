"""Where runs lie, and how a person names one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.report.metrics_file import METRICS_FILE
from seriatim_errors import DataError

CONFIG_FILE, METADATA_FILE = "config.yaml", "metadata.sqlite"


def find_run(run: str | Path | None, runs: Path) -> Path:
    """The folder of the run that is named, or of the newest one.

    Args:
        run: a run's name under `runs`, its folder, or its metrics file; None: the newest by its metrics file.
        runs: folder of runs.

    Raises:
        DataError: there is no such run, or none at all; the message lists those there are.
    """
    finished = sorted(runs.glob(f"*/{METRICS_FILE}"), key=lambda path: path.stat().st_mtime)
    if run is None:
        if not finished:
            raise DataError(f"no finished run under {runs}; make one with 'seriatim run'")
        return finished[-1].parent
    named = Path(run).parent if Path(run).name == METRICS_FILE else Path(run)
    for folder in (runs / named, named):
        if (folder / METRICS_FILE).exists():
            return folder
    known = ", ".join(path.parent.name for path in finished) or "none"
    raise DataError(f"run {str(run)!r} has no {METRICS_FILE} under {runs}; finished runs: {known}")


def find_runs(names: Sequence[str | Path], runs: Path) -> dict[str, Path]:
    """The folders of several runs by a name that tells them apart: the folder's own, or its path where two share one.

    Raises:
        DataError: one does not exist, or is named twice.
    """
    folders: list[Path] = []
    for name in names:
        folder = find_run(name, runs)
        if folder.resolve() in [other.resolve() for other in folders]:
            raise DataError(f"run {str(name)!r} is named twice ({folder}); name each run once")
        folders.append(folder)
    own = [folder.resolve().name for folder in folders]
    return {name if own.count(name) == 1 else str(folder): folder for name, folder in zip(own, folders, strict=True)}
