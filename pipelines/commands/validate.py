"""`seriatim validate`: check a click log against its contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seriatim_errors import DataError

if TYPE_CHECKING:
    from pipelines.click_log import ValidatedLog
    from pipelines.readers.read_logs import ReadLog

FORMATS = ["auto", "parquet", "csv", "jsonl", "letor", "lightgbm", "open_bandit", "event_log"]


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--format", "log_format", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option(
    "--window", type=click.IntRange(min=1), help="Days to check together, where LOG holds {date} or is an event log."
)
@click.option("--span", metavar="DATE", help="The last of them; default: the newest that is there.")
@click.option("--ignore-column", "ignored", multiple=True, metavar="NAME", help="A column that is no feature.")
@click.option("--quarantine", type=click.Path(path_type=Path), help="Folder to write the bad rows to.")
@click.option(
    "--max-bad-share", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Refuse the log above it."
)
def validate(
    log: Path,
    log_format: str,
    window: int | None,
    span: str | None,
    ignored: tuple[str, ...],
    quarantine: Path | None,
    max_bad_share: float,
) -> None:
    """Check LOG: its columns, every row, and what is consistent within a request.

    LOG may be a layout such as 'logs/{date}/log.parquet' for a log that grows by days; without --window its newest day
    is checked.
    """
    from pipelines.click_log import validate as validate_table
    from pipelines.ingest import without_columns
    from pipelines.quarantine import write_quarantine
    from pipelines.readers.read_logs import concatenate

    read = concatenate(_read(log, log_format, window, span))
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


def _read(log: Path, log_format: str, window: int | None, span: str | None) -> list[ReadLog]:
    from pipelines.config import DataConfig
    from pipelines.readers import read_log, resolve_files
    from pipelines.span_split import spans_of_run
    from seriatim_config import read_config

    given: dict[str, Any] = {"path": str(log), "format": log_format}
    if window is not None or span is not None or "{date}" in str(log):
        given["spans"] = {"window": window or 1, "last": span}
    data = read_config(None, DataConfig, given)
    if data.spans is None:
        return read_log([log], data.format)
    files = resolve_files(data)
    spans = spans_of_run(files.window)
    click.echo(f"days {spans.words}" if spans else "")
    for name in files.passed_over:
        click.echo(f"passed over, for it is no date or no version: {name}")
    return read_log(files.all, data.format, files.join(data))


def _print_verdict(log: Path, validated: ValidatedLog, malformed: int) -> None:
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
