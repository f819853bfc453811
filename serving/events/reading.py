"""Read an event log: every event once, whatever happened to its writers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seriatim_errors import DataError
from serving.events.files import event_files
from serving.events.records import VERSION, FeatureNames, fields_of


class BrokenLine(NamedTuple):
    """A line that is not whole.

    Attributes:
        file: in which it stands.
        number: from 1.
        content: its bytes.
        near: time of the whole event before it in its file, or else behind it, microseconds; None where none is.
    """

    file: Path
    number: int
    content: bytes
    near: int | None


@dataclass(frozen=True)
class ReadFile:
    """One file.

    Attributes:
        lines: what the whole lines hold, in order.
        broken: each line that is not whole, but for an unfinished last one.
    """

    lines: list[dict[str, Any]]
    broken: list[BrokenLine]


@dataclass
class ReadEvents:
    """A log as read.

    Attributes:
        shown, acted: the lines of each kind, oldest file first, each event once.
        names: the feature names that the lines refer to.
        repeated: lines of events that were there already.
        broken: each line that is not whole.
    """

    shown: list[dict[str, Any]] = field(default_factory=list)
    acted: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, FeatureNames] = field(default_factory=dict)
    repeated: list[dict[str, Any]] = field(default_factory=list)
    broken: list[BrokenLine] = field(default_factory=list)


def read_events(folder: Path) -> ReadEvents:
    """All events of a log, also while it is written.

    Raises:
        DataError: the folder cannot be read, or a line is of another version.
    """
    found, seen = ReadEvents(), set()
    try:
        files = [(path, read_file(path)) for path in event_files(folder)]
    except OSError as error:
        raise DataError(f"event log {folder}: {error.strerror}; give the folder of an event log") from None
    for path, read in files:
        found.broken += read.broken
        for fields in read.lines:
            if fields.get("v") != VERSION:
                raise DataError(f"{path}: a line of version {fields.get('v')!r}, this release reads {VERSION}")
            if fields["kind"] == "names":
                found.names[fields["names"]] = FeatureNames(tuple(fields["context"]), tuple(fields["item"]))
            elif fields["event_id"] in seen:
                found.repeated.append(fields)
            else:
                seen.add(fields["event_id"])
                (found.shown if fields["kind"] == "shown" else found.acted).append(fields)
    return found


def read_file(path: Path) -> ReadFile:
    """The lines of one file; a last line without its end is still being written and is left out."""
    lines: list[dict[str, Any]] = []
    broken: list[tuple[int, bytes, int | None]] = []
    first = last = None
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                break
            fields = fields_of(line[:-1])
            if fields is None:
                broken.append((number, line, last))
                continue
            lines.append(fields)
            last = fields.get("time", last)
            first = last if first is None else first
    return ReadFile(
        lines, [BrokenLine(path, number, line, first if near is None else near) for number, line, near in broken]
    )
