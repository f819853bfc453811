"""`seriatim simulate week`: the closed loop over some days, service, log, nightly pipeline and canary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.closed_loop.settings import ARMS, BREAK_KINDS, REWARDS, WeekSettings
from pipelines.commands.config_option import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("config", type=ConfigFile(), default="closed_loop")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the week; the same goes on.")
@click.option("--days", type=int, default=7, show_default=True, help="Days to live through.")
@click.option("--requests-per-day", type=int, default=3000, show_default=True, help="Requests that a day brings.")
@click.option("--first-requests", type=int, default=600, show_default=True, help="In the first bundle's log.")
@click.option("--arm", "arms", type=click.Choice(ARMS), multiple=True, help="Which to run.  [default: all]")
@click.option("--drift", type=float, default=1.0, show_default=True, help="How far tastes change: 0 to 1.")
@click.option(
    "--exploration-share",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of random slates, where one explores.",
)
@click.option("--break-day", type=int, help="The night after this day goes wrong.")
@click.option(
    "--break-kind", type=click.Choice(BREAK_KINDS), default="all_labels", show_default=True, help="What goes wrong."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of requests, users and slates.")
def week(config: Path, out: Path, arms: tuple[str, ...], **given: Any) -> None:
    """Serve days, train at night on the event log with CONFIG, try each bundle as a canary.

    The arms meet the same requests and users: `static` keeps the first bundle, `retrained` trains every night,
    `exploring` also shows some random slates and weighs them by their propensity.
    """
    from rich.console import Console

    from pipelines.closed_loop.chart import write_page
    from pipelines.closed_loop.results import week_result, write_result
    from pipelines.closed_loop.week import Watch, run_week

    settings = WeekSettings(arms=arms or ARMS, **given)  # type: ignore[arg-type]
    console = Console()
    with console.status("starting") as status:
        watch = Watch(lambda line: console.print(line, highlight=False, soft_wrap=True), status.update)
        days = run_week(config, settings, out, watch)
    result = week_result(settings, days)
    _print_days(console, result)
    click.echo(f"{write_result(result, out)}: every day and difference, with its interval")
    click.echo(f"{write_page(result, out)}: the same as a picture")


def _print_days(console: Any, result: Mapping[str, Any]) -> None:
    from rich.table import Table

    from pipelines.closed_loop.chart import difference_in_words

    table = Table("day", "arm", "clicks a request", "wanted in a slate", "explored", "canary")
    for day in result["days"]:
        canary = day["canary"]
        tried = "" if canary is None else "promoted" if canary["promoted"] else "rolled back"
        rewards = [day[reward] for reward in REWARDS]
        cells = [f"{found['value']:.3f} ± {(found['high'] - found['low']) / 2:.3f}" for found in rewards]
        table.add_row(str(day["day"]), day["arm"], *cells, str(day["explored"]), tried)
    console.print(table)
    for one in result["differences"]:
        console.print(difference_in_words(one), highlight=False, soft_wrap=True)
