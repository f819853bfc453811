"""`seriatim serve`: answer slate requests with a bundle."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from serving.runtime import SlateRanker

DEFAULT_PORT = 8500


@click.command()
@click.option(
    "--bundles",
    type=click.Path(path_type=Path),
    default=Path("bundles/marketplace"),
    show_default=True,
    help="Folder of bundles; the newest is served.",
)
@click.option("--bundle", type=click.Path(path_type=Path), help="Serve this one bundle instead.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
def serve(bundles: Path, bundle: Path | None, host: str, port: int) -> None:
    """Answer slate requests over gRPC until interrupted."""
    # The core library would log a failed bind in its own words before we can say it in ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from serving.bundle import newest_bundle, open_bundle, self_test
    from serving.runtime import SlateRanker

    opened = open_bundle(bundle) if bundle is not None else newest_bundle(bundles)
    ranker = SlateRanker(opened)
    self_test(ranker, opened.golden())
    stages = ", ".join(stage.kind for stage in opened.manifest.stages)
    click.echo(f"bundle {opened.manifest.version} ({stages}) passed its self-test")
    asyncio.run(_serve(ranker, host, port))


async def _serve(ranker: SlateRanker, host: str, port: int) -> None:
    from serving.server import RankingServer

    stopping = asyncio.Event()
    # Before the ready line: who reads it may stop the service at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = RankingServer(ranker, host, port)
    bound = await server.start()
    # The first line a caller may wait for: without the flush it would stay in the pipe.
    click.echo(f"serving seriatim.v1.RankingService on {host}:{bound}; stop with Ctrl-C")
    sys.stdout.flush()
    await stopping.wait()
    click.echo("stopping: calls in flight are finished")
    await server.stop()
