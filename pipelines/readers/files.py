"""Find a log's files and read them by format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.config import DataConfig, LogFormat
from pipelines.readers.event_log import EventJoin, read_event_log
from pipelines.readers.open_bandit import ITEM_CONTEXT, item_context_file, read_open_bandit
from pipelines.readers.pieces import ROWS_AT_ONCE, Piece, csv_pieces, jsonl_pieces, parquet_pieces
from pipelines.readers.read_logs import ReadLog
from pipelines.readers.svmlight import query_file, read_letor, read_lightgbm
from pipelines.readers.tabular import read_csv, read_jsonl, read_parquet
from seriatim_errors import DataError

FORMAT_BY_SUFFIX = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "letor",
}
# Names of files that a format's reader reads beside those that it is told of.
COMPANION_PATTERNS = {"lightgbm": ("*.query", "*.query.gz"), "open_bandit": (ITEM_CONTEXT,)}


@dataclass(frozen=True)
class LogFiles:
    """The files of a log; `evaluation` is empty when the split is drawn from `train`."""

    train: tuple[Path, ...]
    evaluation: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, training first."""
        return self.train + self.evaluation


def resolve_files(data: DataConfig) -> LogFiles:
    """The files that `data.path`, `data.train` and `data.evaluation` name.

    Raises:
        DataError: the path does not exist, or a pattern list finds no file.
    """
    path = data.path.local
    if not path.exists():
        raise DataError(f"data.path {path} does not exist; give a click log with --data or in the config")
    if not data.train and not data.evaluation:
        return LogFiles((path,), ())
    if not data.train:
        raise DataError("data.evaluation holds patterns but data.train holds none; name the files to train on")
    if not path.is_dir():
        raise DataError(f"data.path {path} is a file, but data.train holds patterns; give the folder")
    files = LogFiles(_matches(path, "train", data.train), _matches(path, "evaluation", data.evaluation))
    for file in files.evaluation:
        if file in files.train:
            raise DataError(
                f"{file} matches both data.train and data.evaluation; a model would see what it is judged on"
            )
    return files


def read_log(
    paths: Sequence[Path],
    log_format: LogFormat = "auto",
    join: EventJoin = EventJoin(),  # noqa: B008
) -> list[ReadLog]:
    """Read files of one log, each as a table of the contract's columns; `join` says what clicks of an event log are.

    Raises:
        DataError: the format is unknown or a file cannot be read.
    """
    chosen = _checked_format(paths, log_format)
    if chosen == "letor":
        return read_letor(paths)
    if chosen == "lightgbm":
        return read_lightgbm(paths)
    if chosen == "event_log":
        return [read_event_log(path, join) for path in paths]
    readers = {"parquet": read_parquet, "csv": read_csv, "jsonl": read_jsonl, "open_bandit": read_open_bandit}
    return [readers[chosen](path) for path in paths]


def log_pieces(
    paths: Sequence[Path],
    log_format: LogFormat,
    join: EventJoin,
) -> Iterator[tuple[Path, Iterator[Piece | None]]]:
    """What `read_log` reads, file by file in pieces, in bounded memory for Parquet, CSV and JSON lines.

    Pieces are void where None follows them. Files of other formats are read at once and then cut.

    Raises:
        DataError: the format is unknown or a file cannot be read.
    """
    chosen = _checked_format(paths, log_format)
    readers = {"parquet": parquet_pieces, "csv": csv_pieces, "jsonl": jsonl_pieces}
    if chosen in readers:
        for path in paths:
            yield path, iter(readers[chosen](path))
        return
    for path, log in zip(paths, read_log(paths, log_format, join), strict=True):
        yield path, _cut(log)


def companions(path: Path, log_format: LogFormat) -> tuple[Path, ...]:
    """The files beside `path` that its reader reads too."""
    if log_format == "lightgbm":
        return (query_file(path),)
    if log_format == "open_bandit" and not path.is_dir():
        return (item_context_file(path),)
    return ()


def _checked_format(paths: Sequence[Path], log_format: LogFormat) -> str:
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; give the path of a click log")
    chosen = _format_of(paths[0]) if log_format == "auto" else log_format
    for path in paths:
        if path.is_dir() and chosen not in ("parquet", "open_bandit", "event_log"):
            raise DataError(f"{path} is a folder; give a file, or name the files in it with data.train")
    return chosen


def _cut(log: ReadLog) -> Iterator[Piece]:
    lines = list(zip(log.malformed["line"].to_pylist(), log.malformed["text"].to_pylist(), strict=True))
    yield Piece(log.table.slice(0, 0), lines)
    for start in range(0, len(log.table), ROWS_AT_ONCE):
        yield Piece(log.table.slice(start, ROWS_AT_ONCE), [])


def _matches(folder: Path, field: str, patterns: Sequence[str]) -> tuple[Path, ...]:
    if not patterns:
        return ()
    found = sorted({file for pattern in patterns for file in folder.glob(pattern) if ".query" not in file.name})
    if not found:
        raise DataError(f"data.{field}: no file in {folder} matches {', '.join(patterns)}")
    return tuple(found)


def _format_of(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix
    if path.is_dir() or suffix not in FORMAT_BY_SUFFIX:
        raise DataError(
            f"{path}: cannot tell the format from the name; set data.format (or --format) to one of "
            "parquet, csv, jsonl, letor, lightgbm, open_bandit, event_log"
        )
    return FORMAT_BY_SUFFIX[suffix]
