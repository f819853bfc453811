"""`seriatim serve`: answer slate requests with the bundles of a folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from serving.config import ServiceConfig
    from serving.shared_ports import SharedPorts

OPTIONS = {
    "bundles": "models.root",
    "bundle": "models.bundle",
    "host": "listen.host",
    "port": "listen.port",
    "workers": "listen.workers",
    "monitoring_port": "monitoring.port",
}


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration of the service, YAML.")
@click.option("--bundles", type=click.Path(path_type=Path), help="Folder of bundles; the newest is served.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Serve this one bundle instead.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 picks a free one.  [default: 8500]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes behind the port.  [default: 1]")
@click.option("--monitoring-port", type=click.IntRange(0, 65535), help="Port of metrics and explorer.  [default: none]")
def serve(config_file: Path | None, **options: Any) -> None:
    """Answer slate requests over gRPC until interrupted."""
    # The core library would log a failed bind in its own words before we can say it in ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from seriatim_config import read_config
    from serving.config import ServiceConfig
    from serving.monitoring.logs import start_logging
    from serving.workers import WorkerGroup

    given = {OPTIONS[name]: value for name, value in options.items() if value is not None}
    config = read_config(config_file, ServiceConfig, given)
    start_logging(config.monitoring.log_format)
    if config.listen.workers == 1:
        asyncio.run(_serve_alone(config))
        return
    group = WorkerGroup(config)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stop(group.stop))
    group.run(lambda ports: _say_ready(config, ports))


async def _serve_alone(config: ServiceConfig) -> None:
    from serving.service import run_service

    stopping = asyncio.Event()
    # Before the ready line: who reads it may stop the service at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stopping.set)
    await run_service(config, stopping, lambda service: _say_ready(config, service.ports))


def _stop(stop: Callable[[], None]) -> None:
    click.echo("stopping: calls in flight are finished")
    stop()


def _say_ready(config: ServiceConfig, ports: SharedPorts) -> None:
    if ports.http is not None:
        address = f"http://{config.monitoring.host}:{ports.http}"
        click.echo(f"metrics on {address}/metrics")
        click.echo(f"explorer on {address}/explorer")
    # The line a caller may wait for: without the flush it would stay in the pipe.
    click.echo(f"serving seriatim.v1.RankingService on {config.listen.host}:{ports.grpc}; stop with Ctrl-C")
    sys.stdout.flush()
