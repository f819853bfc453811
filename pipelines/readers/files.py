"""Find a log's files and read them by format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from pipelines.config import DataConfig, LogFormat
from pipelines.readers.event_days import EventDays
from pipelines.readers.event_log import EventJoin, read_event_logs
from pipelines.readers.open_bandit import ITEM_CONTEXT, item_context_file, read_open_bandit
from pipelines.readers.pieces import ROWS_AT_ONCE, Piece, csv_pieces, jsonl_pieces, parquet_pieces
from pipelines.readers.read_logs import ReadLog
from pipelines.readers.spans import ONE_DAY, Span, SpanWindow, days_after, find_spans, midnight, newest_over, window_of
from pipelines.readers.svmlight import query_file, read_letor, read_lightgbm
from pipelines.readers.tabular import read_csv, read_jsonl, read_parquet
from pipelines.spans_config import SpansConfig
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
    """The files of a log.

    Attributes:
        train, evaluation: the files of each split; `evaluation` is empty when the split is drawn from `train`.
        late: event logs of the days behind the window, whose clicks may belong to its slates.
        window: the days that are read; None for a log without days. Its split is drawn by requests' days, so `train`
            names the files of all of them.
        passed_over: names beside the days that are no days.
    """

    train: tuple[Path, ...]
    evaluation: tuple[Path, ...] = ()
    late: tuple[Path, ...] = ()
    window: SpanWindow | None = None
    passed_over: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, training first."""
        return self.train + self.evaluation

    @property
    def by_time(self) -> bool:
        """Whether the days are those of slates' times, and not of folders."""
        return self.window is not None and not any(span.files for span in self.window.spans)

    def join(self, data: DataConfig) -> EventJoin:
        """How the events of these files become clicks."""
        between = None
        if self.window is not None and self.by_time:
            between = midnight(self.window.first), midnight(self.window.last + ONE_DAY)
        return EventJoin(data.click_action, data.click_window, self.late, between, self.window is not None)


def resolve_files(data: DataConfig) -> LogFiles:
    """The files that `data.path`, `data.train`, `data.evaluation` and `data.spans` name.

    Raises:
        DataError: the path does not exist, a pattern list finds no file, or days of the window are not there that must.
    """
    path = data.path.local
    if data.spans is not None and data.dated:
        return _dated_files(data, data.spans)
    if not path.exists():
        raise DataError(f"data.path {path} does not exist; give a click log with --data or in the config")
    if not data.train and not data.evaluation:
        window: SpanWindow | None = None
        if data.spans is not None:
            found = EventDays(path, data.click_action)
            days = {day: Span(day) for day in found.days}
            # What is being written today is no whole day.
            newest = newest_over(days, datetime.now(timezone.utc).date())
            window = window_of(days, data.spans, f"event log {path}", newest)
            window = replace(window, content=found.fingerprint(window.first, window.last))
        return LogFiles((path,), (), (), window)
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
        return read_event_logs(paths, join)
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
    yield Piece(log.table.slice(0, 0), lines, log.discarded)
    for start in range(0, len(log.table), ROWS_AT_ONCE):
        yield Piece(log.table.slice(start, ROWS_AT_ONCE), [])


def _dated_files(data: DataConfig, spans: SpansConfig) -> LogFiles:
    found = find_spans(data.path.local)
    window = window_of(found.spans, spans, str(data.path))
    late = days_after(found.spans, window.last, data.click_window) if data.format == "event_log" else ()
    return LogFiles(_files_of(window.spans), (), _files_of(late), window, tuple(found.passed_over))


def _files_of(spans: Sequence[Span]) -> tuple[Path, ...]:
    return tuple(file for span in spans for file in span.files)


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
