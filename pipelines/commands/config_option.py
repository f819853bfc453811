"""How commands are told a pipeline's configuration: a file, or the name of a shipped one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.shipped_configs import config_file


class ConfigFile(click.ParamType):
    """A configuration file's path, or the name of a shipped one, which becomes its path."""

    name = "path or name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The file; a name that is neither a file's nor a shipped configuration's is a `ConfigError`."""
        return value if isinstance(value, Path) else config_file(value)


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`; the command gets the file's path as `config_path`."""
    return click.option(
        "--config",
        "config_path",
        type=ConfigFile(),
        default="marketplace",
        show_default=True,
        help="Configuration of the pipeline: a file, or the name of a shipped one.",
    )(command)
