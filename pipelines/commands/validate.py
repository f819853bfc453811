"""`seriatim validate`: check a click log against its contract."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.location_argument import as_location
from seriatim_errors import DataError

if TYPE_CHECKING:
    from pipelines.checked_log import CheckedLog
    from pipelines.click_log import FeatureColumns
    from pipelines.config import DataConfig
    from pipelines.locations import Location
    from pipelines.log_facts import LogFacts
    from pipelines.readers import LogFiles

FORMATS = ["auto", "parquet", "csv", "jsonl", "letor", "lightgbm", "open_bandit", "event_log"]


@click.command()
@click.argument("log", callback=as_location)
@click.option(
    "--format",
    "log_format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="`auto` goes by the name.",
)
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
    log: Location,
    log_format: str,
    window: int | None,
    span: str | None,
    ignored: tuple[str, ...],
    quarantine: Path | None,
    max_bad_share: float,
) -> None:
    """Check LOG: its columns, every row, and what is consistent within a request.

    LOG may be a layout such as 'logs/{date}/log.parquet' for a log that grows by days; without --window its newest day
    is checked. Memory does not depend on the size of the log, whose rows lie in a temporary folder meanwhile
    (TMPDIR says where).
    """
    from pipelines.checked_log import CheckedLog, write_bad_rows, write_discarded
    from pipelines.click_log import feature_columns
    from pipelines.locations.mirror import local_copy
    from pipelines.log_facts import LogFacts
    from pipelines.readers.files import COMPANION_PATTERNS
    from pipelines.spooled_files import BUCKET_BYTES, TRAIN, spool_files

    with tempfile.TemporaryDirectory(prefix="seriatim-validate-") as temporary:
        folder = Path(temporary)
        path = local_copy(log, folder / "mirror", beside=COMPANION_PATTERNS.get(log_format, ()), say=click.echo)
        data = _asked_for(path, log_format, window, span, ignored)
        spooled = spool_files(_files(data), data, folder / "spool", BUCKET_BYTES)[TRAIN]
        checked = CheckedLog(spooled, folder / "bad", data.max_request_rows, BUCKET_BYTES)
        columns = feature_columns(spooled.schema().names)
        facts = LogFacts()
        for bucket in range(spooled.buckets):
            good = checked.bucket(bucket)
            if good is not None:
                facts.add(good, columns.names)
        checked.finish()
        written = folder / "quarantine"
        written.mkdir()
        reasons = write_bad_rows([checked], written)
        discarded = write_discarded([checked], written)
        _print_verdict(log, facts, columns, checked, reasons)
        _print_counts("events that are no rows and no clicks", discarded)
        bad = sum(reasons.values())
        if quarantine is not None and (bad or discarded):
            _copy(written, quarantine)
            click.echo(f"bad rows are in {quarantine}")
    total = bad + facts.rows
    if bad > max_bad_share * total:
        raise DataError(
            f"{log}: {bad} of {total} rows are bad ({bad / total:.1%}), more than --max-bad-share {max_bad_share:.1%}; "
            "mend them (see --quarantine) or allow more"
        )
    click.echo(f"accepted: {facts.rows} of {total} rows")


def _asked_for(
    path: Path, log_format: str, window: int | None, span: str | None, ignored: tuple[str, ...]
) -> DataConfig:
    from pipelines.config import DataConfig
    from seriatim_config import read_config

    given: dict[str, Any] = {"path": str(path), "format": log_format, "ignore_columns": ignored}
    if window is not None or span is not None or "{date}" in str(path):
        given["spans"] = {"window": window or 1, "last": span}
    return read_config(None, DataConfig, given)


def _files(data: DataConfig) -> LogFiles:
    from pipelines.readers import LogFiles, resolve_files
    from pipelines.span_split import spans_of_run, told_of_days

    if data.spans is None:
        return LogFiles((data.path.local,))
    files = resolve_files(data)
    for sentence in told_of_days(spans_of_run(files.window), files.passed_over):
        click.echo(sentence)
    return files


def _copy(written: Path, quarantine: Path) -> None:
    """The files of an earlier validation are replaced."""
    import shutil

    from pipelines.quarantine import QUARANTINE_FILES

    try:
        quarantine.mkdir(parents=True, exist_ok=True)
        for name in QUARANTINE_FILES:
            (quarantine / name).unlink(missing_ok=True)
            if (written / name).exists():
                shutil.copyfile(written / name, quarantine / name)
    except OSError as error:
        raise DataError(f"--quarantine {quarantine} cannot be written: {error.strerror}; name a folder") from None


def _print_verdict(
    log: Location, facts: LogFacts, columns: FeatureColumns, checked: CheckedLog, reasons: dict[str, int]
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    whole = Table(title=str(log), show_header=False, title_justify="left")
    for name, count in (
        ("rows that keep the contract", facts.rows), ("requests", facts.requests), ("items", facts.items)
    ):  # fmt: skip
        whole.add_row(name, f"{count:,}")
    for name, fact in (("clicked", "click rate"), ("grade", "mean grade"), ("propensity", "mean propensity")):
        mean = facts.mean(name)
        if mean is not None:
            whole.add_row(fact, f"{mean:.4f}")
    console.print(whole)
    features = Table("feature", "of the", "lowest", "mean", "highest", "nulls set to 0", title_justify="left")
    for kind, names in (("request", columns.context), ("item", columns.candidate)):
        for name in names:
            numbers = [facts.lowest.get(name), facts.mean(name), facts.highest.get(name)]
            shown = ["-" if number is None else f"{number:.4g}" for number in numbers]
            features.add_row(name, kind, *shown, str(checked.defaulted[name]))
    console.print(features)
    _print_counts("bad rows", reasons)


def _print_counts(title: str, reasons: dict[str, int]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not reasons:
        return
    table = Table(title, "reason", title_justify="left")
    for reason, count in sorted(reasons.items(), key=lambda entry: -entry[1]):
        table.add_row(f"{count:,}", reason)
    Console().print(table)
