"""`seriatim models`: which versions a running service knows, and which traffic each gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from serving.commands.connecting import connect, connecting

if TYPE_CHECKING:
    from serving.proto.seriatim.v1 import models_pb2

# Loading a version takes its time.
PATIENCE_SECONDS = 120
STATES = {1: "known", 2: "loading", 3: "ready", 4: "refused"}


@click.group()
def models() -> None:
    """Versions of a running service: list them, set their traffic, roll back."""


@models.command("list")
@connecting
def list_models(**connection: Any) -> None:
    """List the versions, oldest first, and the traffic rules."""
    with connect(**connection, patience=PATIENCE_SECONDS) as client:
        _print_models(client.list_models())


@models.command("set-traffic")
@connecting
@click.option("--stable", default="", help="Version of most requests; left out: always the newest that is sound.")
@click.option("--canary", default="", help="Version of a share of the requests.")
@click.option("--canary-share", type=click.FloatRange(0, 1), default=0.0, help="That share.")
@click.option("--shadow", default="", help="Version that ranks copies of a share of the requests, unseen.")
@click.option("--shadow-share", type=click.FloatRange(0, 1), default=0.0, help="That share.")
def set_traffic(
    stable: str, canary: str, canary_share: float, shadow: str, shadow_share: float, **connection: Any
) -> None:
    """Replace the traffic rules, whole."""
    from serving.proto.seriatim.v1 import models_pb2

    traffic = models_pb2.Traffic(
        stable=stable, canary=canary, canary_share=canary_share, shadow=shadow, shadow_share=shadow_share
    )
    with connect(**connection, patience=PATIENCE_SECONDS) as client:
        click.echo(_in_words(client.set_traffic(traffic)))


@models.command("roll-back")
@connecting
def roll_back(**connection: Any) -> None:
    """Go back to the rules before these, or to the sound version before the one in service."""
    with connect(**connection, patience=PATIENCE_SECONDS) as client:
        click.echo(_in_words(client.roll_back()))


def _in_words(traffic: models_pb2.Traffic) -> str:
    words = [f"stable: {traffic.stable or 'the newest'}"]
    if traffic.canary:
        words.append(f"canary: {traffic.canary} for {traffic.canary_share:.1%}")
    if traffic.shadow:
        words.append(f"shadow: {traffic.shadow} for {traffic.shadow_share:.1%}")
    return "; ".join(words)


def _print_models(answer: models_pb2.ListModelsResponse) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_in_words(answer.traffic))
    # Whole, however narrow the terminal: it is what one types next.
    table.add_column("version", no_wrap=True)
    for heading in ("state", "requests", "made", "why refused"):
        table.add_column(heading, overflow="fold")
    for model in answer.models:
        table.add_row(model.version, STATES[model.state], str(model.requests), model.created, model.refusal or "-")
    Console(markup=False).print(table)
