"""The options of commands that train on patches of pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

OPTIONS = (
    click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Patches a step."),
    click.option(
        "--patch", type=click.IntRange(min=64), default=128, show_default=True, help="Pixels; a multiple of 64."
    ),
    click.option(
        "--max-images", type=click.IntRange(min=1), default=2000, show_default=True, help="To hold in memory."
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights and patches."),
)


def on_patches(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--batch-size`, `--patch`, `--max-images` and `--seed`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
