"""Options and words that the commands of `seriatim schedule` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def at_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--home`, the folder that keeps schedules, history and logs."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        default=Path("schedules"),
        show_default=True,
        help="Folder that keeps schedules, history and logs.",
    )(command)


def moment(seconds: float | None) -> str:
    """A time in UTC, such as `2026-03-01 03:00:00`; a dash for none."""
    from datetime import datetime, timezone

    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def print_rows(headings: list[str], rows: list[list[str]]) -> None:
    """Print a table; what one types next (its first column) is never broken."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)
