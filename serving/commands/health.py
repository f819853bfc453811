"""`seriatim health`: does a running service take traffic?"""

from __future__ import annotations

from typing import Any

import click

from seriatim_errors import ServiceError
from serving.commands.connecting import connect, connecting


@click.command()
@connecting
def health(**connection: Any) -> None:
    """Ask a service for its health; ends with status 0 where it takes traffic, else with 6."""
    with connect(**connection, patience=2) as client:
        if not client.healthy():
            raise ServiceError(f"the service at {client.target} takes no traffic: it starts or stops")
    click.echo("the service takes traffic")
