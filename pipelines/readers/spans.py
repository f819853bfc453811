"""The days of a click log that grows by daily folders, and the window of them that a run reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

from pipelines.spans_config import SpansConfig
from seriatim_errors import DataError

DATE, VERSION = "{date}", "{version}"
MARKS = re.compile(r"(\{date\}|\{version\}|\*|\?)")
PATTERNS = {DATE: "(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})", VERSION: "(?P<version>[0-9]+)", "*": ".*", "?": "."}
# Names in which something stands for a date or a version that is none.
ALIKE = {**PATTERNS, DATE: ".+", VERSION: ".+"}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """One day of a log.

    Attributes:
        day: the date.
        version: the highest one; None where the layout has none.
        files: of that version, sorted; none where the day is told by the times of an event log.
    """

    day: date
    version: int | None = None
    files: tuple[Path, ...] = ()


@dataclass
class FoundSpans:
    """What a layout has on disk.

    Attributes:
        spans: each day's highest version.
        passed_over: names that stand where a date or a version should and are none.
    """

    spans: dict[date, Span] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SpanWindow:
    """The days that a run reads.

    Attributes:
        first, last: the window's ends, both inside.
        held_out_from: first of the days to evaluate on; None where requests are held out by their hash.
        spans: the days that are there, oldest first.
        missing: the days between `first` and `last` that are not.
        content: fingerprint of the events of these days; empty where there are files.
    """

    first: date
    last: date
    held_out_from: date | None
    spans: tuple[Span, ...]
    missing: tuple[date, ...]
    content: str = ""

    @property
    def trained(self) -> tuple[Span, ...]:
        """The days that are not held out."""
        held_out_from = self.held_out_from
        return tuple(span for span in self.spans if held_out_from is None or span.day < held_out_from)

    @property
    def held_out(self) -> tuple[Span, ...]:
        """The days to evaluate on."""
        return self.spans[len(self.trained) :]


def find_spans(path: Path) -> FoundSpans:
    """All days of a layout such as `logs/{date}/v{version}/log.parquet`.

    A date is written `2026-01-07`, a version as a whole number; `*` and `?` stand for other parts of a name. Names that
    begin with a dot are unfinished and no names at all.

    Raises:
        DataError: a folder cannot be listed, or a version of a day stands under two names.
    """
    found = FoundSpans()
    versions: dict[date, dict[str | None, list[Path]]] = {}
    for file, names in _walk(path, found):
        versions.setdefault(date.fromisoformat(names["date"]), {}).setdefault(names.get("version"), []).append(file)
    for day, by_name in versions.items():
        newest = max(by_name, key=lambda name: int(name or 0))
        alike = [name for name in by_name if int(name or 0) == int(newest or 0)]
        if len(alike) > 1:
            raise DataError(
                f"{by_name[alike[0]][0]} and {by_name[alike[1]][0]} are both version {int(newest or 0)} of {day}; "
                "remove one of them"
            )
        found.spans[day] = Span(day, None if newest is None else int(newest), tuple(sorted(by_name[newest])))
    return found


def window_of(spans: Mapping[date, Span], config: SpansConfig, place: str, newest: date | None = None) -> SpanWindow:
    """The window that a configuration asks for.

    Args:
        spans: all days that are there.
        config: length, held-out days, last day.
        place: where they were looked for, for the errors.
        newest: the last day where the configuration names none; None: the newest of `spans`.

    Raises:
        DataError: no day is there, the configured last one is not, or none remains to train on.
    """
    if not spans:
        raise DataError(f"{place}: no day is there; the log of a day is looked for under a date such as 2026-01-07")
    last = config.last or newest or max(spans)
    if last not in spans:
        known = sorted(spans)
        raise DataError(
            f"data.spans.last {last}: {place} has no such day (it has {len(known)}, from {known[0]} to {known[-1]}); "
            "name one that is there, or null for the newest"
        )
    days = [last - ONE_DAY * back for back in reversed(range(config.window))]
    window = SpanWindow(
        first=days[0],
        last=last,
        held_out_from=days[-config.evaluation] if config.evaluation else None,
        spans=tuple(spans[day] for day in days if day in spans),
        missing=tuple(day for day in days if day not in spans),
    )
    if not window.trained:
        raise DataError(
            f"{place}: of the days {window.first} to {last} only {len(window.held_out)} to evaluate on are there and "
            "none to train on; give more days, or a longer data.spans.window"
        )
    return window


def days_after(spans: Mapping[date, Span], last: date, seconds: float) -> tuple[Span, ...]:
    """The days after `last` in which something can happen within `seconds` of the end of `last`, as far as there."""
    whole_days = int(-(-seconds // ONE_DAY.total_seconds()))
    days = (last + ONE_DAY * ahead for ahead in range(1, whole_days + 1))
    return tuple(spans[day] for day in days if day in spans)


def midnight(day: date) -> int:
    """The beginning of a day in UTC, microseconds since 1970."""
    return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1_000_000


def day_at(microseconds: int) -> date:
    """The day in UTC at a time in microseconds since 1970."""
    return date(1970, 1, 1) + ONE_DAY * (microseconds // (86_400 * 1_000_000))


def newest_over(days: Collection[date], today: date) -> date | None:
    """The newest of the days that are over, or the newest where none is; None of none."""
    over = [day for day in days if day < today]
    return max(over or days, default=None)


def _walk(path: Path, found: FoundSpans) -> Iterator[tuple[Path, dict[str, str]]]:
    """The files of a layout, each with what stands for the marks; `found` is told of names that are none."""
    plain = [index for index, part in enumerate(path.parts) if MARKS.search(part)]
    first = plain[0] if plain else len(path.parts)
    yield from _below(Path(*path.parts[:first]), path.parts[first:], {}, found)


def _below(
    folder: Path, parts: Sequence[str], names: dict[str, str], found: FoundSpans
) -> Iterator[tuple[Path, dict[str, str]]]:
    if not parts:
        if folder.exists():
            yield folder, names
        return
    part, *rest = parts
    if not MARKS.search(part):
        yield from _below(folder / part, rest, names, found)
        return
    pattern, alike = (
        re.compile("".join(patterns.get(token, re.escape(token)) for token in MARKS.split(part)))
        for patterns in (PATTERNS, ALIKE)
    )
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        matched = pattern.fullmatch(entry.name)
        if matched is not None and _is_date(matched.groupdict().get("date")):
            yield from _below(entry, rest, {**names, **matched.groupdict()}, found)
        elif alike.fullmatch(entry.name):
            found.passed_over.append(str(entry))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}; correct its permissions") from None


def _is_date(text: str | None) -> bool:
    if text is None:
        return True
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
