"""The option `--config` of commands on one pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`; the command gets the file's path as `config_path`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=Path("configs/marketplace.yaml"),
        show_default=True,
        help="Configuration of the pipeline.",
    )(command)
