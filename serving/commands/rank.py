"""`seriatim rank`: ask a running service for one slate and print it as a table."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seriatim_errors import BundleError, ServiceError
from serving.commands.connecting import connect, connecting

if TYPE_CHECKING:
    from rich.table import Table

    from serving.client import RankedSlate
    from serving.request_file import RankRequest

READY_LINE = "serving seriatim.v1.RankingService on "


@click.command()
@click.argument("request_file", required=False, type=click.Path(path_type=Path), metavar="[REQUEST.json]")
@connecting
@click.option("--serve", "own_service", is_flag=True, help="Start a service for this one call instead.")
@click.option(
    "--bundles",
    type=click.Path(path_type=Path),
    default=Path("bundles/marketplace"),
    show_default=True,
    help="Where --serve and the default request find a bundle.",
)
@click.option("--request", "also_request_file", type=click.Path(path_type=Path), help="The same as REQUEST.json.")
@click.option("--slate-size", type=int, help="Items to place, in place of the request's.")
@click.option("--explore", type=float, metavar="TEMPERATURE", help="Sample the slate at this temperature.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def rank(
    request_file: Path | None,
    own_service: bool,
    bundles: Path,
    also_request_file: Path | None,
    slate_size: int | None,
    explore: float | None,
    as_json: bool,
    **connection: Any,
) -> None:
    """Send one request, by default the newest bundle's first golden request, and print the slate."""
    from serving.request_file import read_request

    given = request_file if request_file is not None else also_request_file
    request = read_request(given) if given is not None else golden_request(bundles)
    with contextlib.ExitStack() as stack:
        if own_service:
            connection["target"] = stack.enter_context(started_service(bundles))
        client = stack.enter_context(connect(**connection))
        slate = client.rank(
            request.request_id,
            request.item_ids,
            request.features,
            request.slate_size if slate_size is None else slate_size,
            context=request.context,
            feature_names=request.feature_names,
            context_names=request.context_names,
            temperature=explore,
            bundle_version=request.bundle_version,
            user_id=request.user_id,
        )
    if as_json:
        import dataclasses

        click.echo(json.dumps(dataclasses.asdict(slate), indent=1, default=lambda decoding: decoding.value))
    else:
        _print_slate(slate)


def golden_request(bundles: Path) -> RankRequest:
    """The first golden request of the newest bundle.

    Raises:
        BundleError: there is no bundle, or it has no golden requests.
    """
    from serving.bundle import newest_bundle
    from serving.request_file import RankRequest

    bundle = newest_bundle(bundles)
    golden = bundle.golden()
    if len(golden) == 0:
        raise BundleError(f"bundle {bundle.folder} holds no golden request; give one with --request")
    rows = slice(0, int(golden.offsets[1]))
    return RankRequest(
        request_id="golden-0",
        item_ids=golden.item_ids[rows].tolist(),
        features=golden.features[rows].tolist(),
        context=golden.context[0].tolist(),
        slate_size=int(golden.slate_sizes[0]),
    )


@contextlib.contextmanager
def started_service(bundles: Path) -> Iterator[str]:
    """A service on a free port in a process of its own; yields its address and stops it at the end.

    Raises:
        ServiceError: the service did not start; the message is its own.
    """
    command = [sys.executable, "-m", "seriatim", "serve", "--bundles", str(bundles), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for line in process.stdout:
            if line.startswith(READY_LINE):
                yield line.removeprefix(READY_LINE).split(";")[0].strip()
                break
        else:
            # Its log may stand before its mistake.
            mistake = process.stderr.read().strip().rpartition("error: ")[2]
            raise ServiceError(f"the service did not start: {mistake}")
    finally:
        process.terminate()
        process.communicate()


def _print_slate(slate: RankedSlate) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"slate of {slate.request_id}, bundle {slate.bundle_version}", title_justify="left")
    for heading in ("rank", "item", "base score", "gate score", "passed", "probability"):
        table.add_column(heading, justify="left" if heading == "item" else "right")
    for place, item in enumerate(slate.items, start=1):
        table.add_row(
            str(place),
            item.item_id,
            f"{item.base_score:.4f}",
            "-" if item.gate_score is None else f"{item.gate_score:.4f}",
            "yes" if item.passed_gate else "no",
            "-" if item.probability is None else f"{item.probability:.3f}",
        )
    # The callers' names stand as they are: square brackets in them are no mark-up.
    console = Console(markup=False)
    console.print(table)
    if any(item.labels for item in slate.items):
        console.print(_label_table(slate))
    if slate.propensity is not None:
        click.echo(f"propensity of this slate: {slate.propensity:.3e}")


def _label_table(slate: RankedSlate) -> Table:
    """The labels in a table of their own, where they have room: a tag by its name, another label with its state."""
    from rich.table import Table

    table = Table(title="labels", title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("item")
    table.add_column("labels")
    for place, item in enumerate(slate.items, start=1):
        labels = (f"{name}={value}" if value else name for name, value in item.labels.items())
        table.add_row(str(place), item.item_id, ", ".join(labels) or "-")
    return table
