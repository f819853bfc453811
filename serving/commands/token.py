"""`seriatim token`: make tokens for the service's callers."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import click

from seriatim_errors import ConfigError


@click.group()
def token() -> None:
    """Tokens for the service's callers."""


@token.command()
@click.option("--name", required=True, help="Whose token it is.")
@click.option(
    "--role", type=click.Choice(["caller", "admin"]), default="caller", show_default=True, help="What it allows."
)
@click.option("--expires", type=click.DateTime(), help="When it ends, UTC.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="File of tokens to add it to.")
def create(name: str, role: str, expires: datetime | None, path: Path | None) -> None:
    """Make a token: it is printed once, and only its hash is kept."""
    import yaml

    from serving.security.tokens import TokenFile, new_token, token_hash

    made = new_token()
    entry = {"name": name, "sha256": token_hash(made), "role": role}
    if expires is not None:
        entry["expires"] = expires.replace(tzinfo=timezone.utc).isoformat()
    text = yaml.safe_dump([entry], sort_keys=False)
    if path is None:
        click.echo(text, nl=False)
    else:
        if path.exists():
            TokenFile(path)
            if name in [known["name"] for known in yaml.safe_load(path.read_text(encoding="utf-8")) or []]:
                raise ConfigError(f"{path} holds a token named {name!r} already; take another --name")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise ConfigError(f"--file {path}: {error.strerror}; give a file that can be written") from None
    click.echo(f"token of {name}, shown this once: {made}")
