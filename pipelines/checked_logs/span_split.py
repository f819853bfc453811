"""Split a window of days: a request is held out with the day on which it began, all of its rows with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.checked_logs.piecewise_validation import codes_of
from pipelines.checked_logs.row_checks import ROW_COLUMN
from pipelines.readers import LogFiles
from pipelines.readers.read_logs import Source
from pipelines.readers.spans import SpanWindow, midnight
from pipelines.report.span_metrics import SpanOfRun, SpansOfRun

MOST_NAMED = 3


@dataclass(frozen=True)
class SpanSplit:
    """Where the days to evaluate on begin.

    Attributes:
        column: what tells a row's day: `ROW_COLUMN`, its number in the log, or `timestamp`.
        before: rows up to this number, or this time in microseconds since 1970, are of days to train on.
    """

    column: str
    before: int

    def held_out(self, table: pa.Table) -> pa.Array:
        """Which rows are to evaluate on, bool `[rows]`.

        Args:
            table: all good rows of some requests, in the order of the log.
        """
        requests = codes_of(table["request_id"])
        values = pc.cast(table[self.column], pa.int64()).to_numpy()
        first = np.zeros(requests.max(initial=0) + 1, np.int64)
        first[requests[::-1]] = values[::-1]
        return pa.array(first[requests] > self.before)


def span_split(files: LogFiles, sources: Sequence[Source]) -> SpanSplit | None:
    """How the window of `files` is split; None where it is by a hash of the request.

    Args:
        files: of the log.
        sources: the files and the rows that were read from them, in the order of the rows' numbers.
    """
    window = files.window
    if window is None or window.held_out_from is None:
        return None
    if files.by_time:
        return SpanSplit("timestamp", midnight(window.held_out_from) - 1)
    trained = {str(file) for span in window.trained for file in span.files}
    return SpanSplit(ROW_COLUMN, sum(source.rows for source in sources if source.file in trained))


def spans_of_run(window: SpanWindow | None) -> SpansOfRun | None:
    """The window as metrics and manifest tell of it."""
    if window is None:
        return None
    held_out = {span.day for span in window.held_out}
    return SpansOfRun(
        first=window.first.isoformat(),
        last=window.last.isoformat(),
        days=tuple(
            SpanOfRun(day=span.day.isoformat(), version=span.version, held_out=span.day in held_out)
            for span in window.spans
        ),
        missing=tuple(day.isoformat() for day in window.missing),
    )


def told_of_days(spans: SpansOfRun | None, passed_over: Sequence[str]) -> Iterator[str]:
    """Sentences on the days that are read and on the names that are none; none for a log without days."""
    if passed_over:
        more = len(passed_over) - MOST_NAMED
        named = ", ".join(passed_over[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield f"passed over, for a date such as 2026-01-07 or a whole number as version should stand there: {named}"
    if spans is not None:
        yield f"days {spans.words}"
