"""The option `--set KEY=VALUE`: configuration given on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def overriding(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--set`; the command gets dotted keys to values as `overrides`."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_parsed,
        help="A value in place of the config's, such as gate.epochs=5; may be given often.",
    )(command)


def _parsed(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    values = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{one!r} is no KEY=VALUE", context, option)
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise click.BadParameter(f"the value in {one!r} is not YAML; quote it", context, option) from None
    return values
