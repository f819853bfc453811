"""The options of every command that calls a running service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seriatim_errors import ConfigError

if TYPE_CHECKING:
    from serving.client import RankingClient

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
OPTIONS = (
    click.option("--target", default="127.0.0.1:8500", show_default=True, help="Address of the service."),
    click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that the call may take."),
    click.option("--token-file", type=FILE, help="File that holds the caller's token and nothing else."),
    click.option("--ca", type=FILE, help="PEM file of who signed the service's certificate; encrypts the connection."),
    click.option("--certificate", type=FILE, help="PEM file that the client shows, where the service asks for one."),
    click.option("--key", type=FILE, help="PEM file of its private key."),
)


def connecting(command: Command) -> Command:
    """Give a command the options that `connect` reads."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def connect(
    target: str,
    timeout: float | None,
    token_file: Path | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    patience: float = 5.0,
) -> RankingClient:
    """A client by the options; `patience` is how many seconds a call may take where `--timeout` is not given.

    Raises:
        ConfigError: a file cannot be read.
    """
    from serving.client import RankingClient, Tls

    tls = None if ca is None and certificate is None and key is None else Tls(ca, certificate, key)
    return RankingClient(target, patience if timeout is None else timeout, tls, _token(token_file))


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"--token-file {path}: {error.strerror}; give a file that holds the token") from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"--token-file {path} holds no token; give a file that 'seriatim token create' made"
        ) from None
