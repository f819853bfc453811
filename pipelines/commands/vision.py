"""`seriatim vision`: what works on images and networks by itself, outside a run."""

from __future__ import annotations

import click

from seriatim_commands import LazyGroup, Subcommand

# Searching structures, coding images and improving skies, in this order.
SUBCOMMANDS: dict[str, Subcommand] = {
    "search": Subcommand("pipelines.commands.vision_search:search", "make a network smaller within a budget"),
}


@click.group(cls=LazyGroup, subcommands=SUBCOMMANDS)
def vision() -> None:
    """Search structures, code images, improve skies."""
