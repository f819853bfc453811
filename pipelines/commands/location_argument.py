"""A path or a URL on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.locations import Location


def as_location(context: click.Context, parameter: click.Parameter, given: str) -> Location:
    """What click is to make of a path or URL; a URL that is none of ours is a usage error."""
    from pipelines.locations import Location

    try:
        return Location(given)
    except ValueError as error:
        raise click.BadParameter(f"{given}: {error}", context, parameter) from None
