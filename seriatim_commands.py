"""Tables of subcommands of which none is imported before it is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Subcommand(NamedTuple):
    """Where a subcommand lives (`module:attribute`) and its line in the group's help."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module only when that subcommand is chosen.

    Args:
        subcommands: by name, in the order in which the help lists them.
        settings: of `click.Group`.
    """

    def __init__(self, *, subcommands: Mapping[str, Subcommand], **settings: Any) -> None:
        super().__init__(**settings)
        self.subcommands = subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands, in the order of the table."""
        return list(self.subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command behind `cmd_name`, imported now; None when there is no such subcommand."""
        subcommand = self.subcommands.get(cmd_name)
        if subcommand is None:
            return None
        module, attribute = subcommand.target.split(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of subcommands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, subcommand.summary) for name, subcommand in self.subcommands.items()])
