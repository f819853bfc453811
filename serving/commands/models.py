"""`seriatim models`: which versions a running service knows, and which traffic each gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from seriatim_errors import ServiceError

if TYPE_CHECKING:
    from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc

target_option = click.option("--target", default="127.0.0.1:8500", show_default=True, help="Address of the service.")
TIMEOUT_SECONDS = 120
STATES = {1: "known", 2: "loading", 3: "ready", 4: "refused"}


@click.group()
def models() -> None:
    """Versions of a running service: list them, set their traffic, roll back."""


@models.command("list")
@target_option
def list_models(target: str) -> None:
    """List the versions, oldest first, and the traffic rules."""
    from serving.proto.seriatim.v1 import models_pb2

    answer = _ask(target, lambda stub: stub.ListModels(models_pb2.ListModelsRequest(), timeout=TIMEOUT_SECONDS))
    _print_models(answer)


@models.command("set-traffic")
@target_option
@click.option("--stable", default="", help="Version of most requests; left out: always the newest that is sound.")
@click.option("--canary", default="", help="Version of a share of the requests.")
@click.option("--canary-share", type=click.FloatRange(0, 1), default=0.0, help="That share.")
@click.option("--shadow", default="", help="Version that ranks copies of a share of the requests, unseen.")
@click.option("--shadow-share", type=click.FloatRange(0, 1), default=0.0, help="That share.")
def set_traffic(target: str, stable: str, canary: str, canary_share: float, shadow: str, shadow_share: float) -> None:
    """Replace the traffic rules, whole."""
    from serving.proto.seriatim.v1 import models_pb2

    traffic = models_pb2.Traffic(
        stable=stable, canary=canary, canary_share=canary_share, shadow=shadow, shadow_share=shadow_share
    )
    request = models_pb2.SetTrafficRequest(traffic=traffic)
    answer = _ask(target, lambda stub: stub.SetTraffic(request, timeout=TIMEOUT_SECONDS))
    click.echo(_in_words(answer.traffic))


@models.command("roll-back")
@target_option
def roll_back(target: str) -> None:
    """Go back to the rules before these, or to the sound version before the one in service."""
    from serving.proto.seriatim.v1 import models_pb2

    request = models_pb2.SetTrafficRequest(roll_back=True)
    answer = _ask(target, lambda stub: stub.SetTraffic(request, timeout=TIMEOUT_SECONDS))
    click.echo(_in_words(answer.traffic))


def _ask(target: str, call: Callable[[models_pb2_grpc.ModelServiceStub], Any]) -> Any:
    import grpc

    from serving.proto.seriatim.v1 import models_pb2_grpc

    with grpc.insecure_channel(target) as channel:
        try:
            return call(models_pb2_grpc.ModelServiceStub(channel))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise ServiceError(f"no service answers at {target}; start one with 'seriatim serve'") from None
            raise ServiceError(error.details()) from None


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

    table = Table("version", "state", "requests", "made", "why refused", title=_in_words(answer.traffic))
    for model in answer.models:
        table.add_row(model.version, STATES[model.state], str(model.requests), model.created, model.refusal or "-")
    Console(markup=False).print(table)
