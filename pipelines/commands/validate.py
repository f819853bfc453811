"""`seriatim validate`: check a click log against its contract."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.location_argument import as_location
from seriatim_errors import DataError

if TYPE_CHECKING:
    from pipelines.click_log import ValidatedLog
    from pipelines.locations import Location

FORMATS = ["auto", "parquet", "csv", "jsonl", "letor", "lightgbm", "open_bandit", "event_log"]


@click.command()
@click.argument("log", callback=as_location)
@click.option("--format", "log_format", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option("--ignore-column", "ignored", multiple=True, metavar="NAME", help="A column that is no feature.")
@click.option("--quarantine", type=click.Path(path_type=Path), help="Folder to write the bad rows to.")
@click.option(
    "--max-bad-share", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Refuse the log above it."
)
def validate(
    log: Location, log_format: str, ignored: tuple[str, ...], quarantine: Path | None, max_bad_share: float
) -> None:
    """Check LOG: its columns, every row, and what is consistent within a request."""
    from pipelines.click_log import validate as validate_table
    from pipelines.ingest import without_columns
    from pipelines.locations.mirror import local_copy
    from pipelines.quarantine import write_quarantine
    from pipelines.readers import read_log
    from pipelines.readers.files import COMPANION_PATTERNS

    with tempfile.TemporaryDirectory(prefix="seriatim-validate-") as mirror:
        path = local_copy(log, Path(mirror), beside=COMPANION_PATTERNS.get(log_format, ()), say=click.echo)
        [read] = read_log([path], log_format)  # type: ignore[arg-type]
    validated = validate_table(without_columns(read.table, ignored))
    malformed = len(read.malformed)
    _print_verdict(log, validated, malformed)
    bad, total = len(validated.quarantine) + malformed, len(read.table) + malformed
    if quarantine is not None and bad:
        try:
            quarantine.mkdir(parents=True, exist_ok=True)
            write_quarantine([validated], [read], quarantine)
        except OSError as error:
            raise DataError(f"--quarantine {quarantine} cannot be written: {error.strerror}; name a folder") from None
        click.echo(f"bad rows are in {quarantine}")
    if bad > max_bad_share * total:
        raise DataError(
            f"{log}: {bad} of {total} rows are bad ({bad / total:.1%}), more than --max-bad-share {max_bad_share:.1%}; "
            "mend them (see --quarantine) or allow more"
        )
    click.echo(f"accepted: {len(validated.clean)} of {total} rows")


def _print_verdict(log: Location, validated: ValidatedLog, malformed: int) -> None:
    import pyarrow.compute as pc
    from rich.console import Console
    from rich.table import Table

    from pipelines.quarantine import MALFORMED_REASON

    console, clean = Console(), validated.clean
    facts = Table(title=str(log), show_header=False, title_justify="left")
    facts.add_row("rows that keep the contract", f"{len(clean):,}")
    facts.add_row("requests", f"{len(pc.unique(clean['request_id'])):,}")
    facts.add_row("items", f"{len(pc.unique(clean['item_id'])):,}")
    for name, fact in (("clicked", "click rate"), ("grade", "mean grade"), ("propensity", "mean propensity")):
        if name in clean.column_names and len(clean):
            facts.add_row(fact, f"{pc.mean(clean[name]).as_py():.4f}")
    console.print(facts)
    features = Table("feature", "of the", "lowest", "mean", "highest", "nulls set to 0", title_justify="left")
    for kind, names in (("request", validated.columns.context), ("item", validated.columns.candidate)):
        for name in names:
            span = pc.min_max(clean[name]).as_py()
            numbers = [span["min"], pc.mean(clean[name]).as_py(), span["max"]]
            shown = ["-" if number is None else f"{number:.4g}" for number in numbers]
            features.add_row(name, kind, *shown, str(validated.defaulted.get(name, 0)))
    console.print(features)
    if validated.reasons or malformed:
        bad = Table("bad rows", "reason", title_justify="left")
        for reason, count in sorted(validated.reasons.items(), key=lambda entry: -entry[1]):
            bad.add_row(f"{count:,}", reason)
        if malformed:
            bad.add_row(f"{malformed:,}", MALFORMED_REASON)
        console.print(bad)
