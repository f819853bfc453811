"""From a click log to the pipeline's input: validated, split by request, sorted, bad rows kept aside."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from pipelines import checked_logs, click_log, hashed_split, readers
from pipelines.checked_logs.checked_log import CheckedLog, write_bad_rows, write_discarded
from pipelines.checked_logs.prepared_split import PreparedSplit
from pipelines.checked_logs.quarantine import MALFORMED_FILE, QUARANTINE_FILE, total_by_name
from pipelines.checked_logs.row_checks import ROW_COLUMN
from pipelines.checked_logs.span_split import SpanSplit, span_split, spans_of_run
from pipelines.checked_logs.spooled_files import BUCKET_BYTES, EVALUATION, TRAIN, spool_files
from pipelines.checked_logs.spooled_log import SpooledLog
from pipelines.click_log import LABEL_COLUMNS, FeatureColumns, feature_columns
from pipelines.config import DataConfig
from pipelines.hashed_split import column_hash
from pipelines.readers import LogFiles, resolve_files
from pipelines.readers.files import companions
from pipelines.report.span_metrics import SpansOfRun
from seriatim_errors import DataError

SUMMARY_FILE, SPOOL = "summary.json", "spool"


@dataclass(frozen=True)
class PreparedLog:
    """A prepared log on disk: `train.parquet`, `eval.parquet`, the bad rows and this summary.

    Attributes:
        folder: where the files lie; its name is the content's fingerprint.
        fingerprint: sha256 of the source files, the settings that shape the split and the code that reads and
            checks, 16 hex digits.
        columns: the features.
        labels: which of `clicked` and `grade` the log has.
        requests, rows, clicks: counts by split.
        quarantined: bad rows by reason, malformed lines included.
        defaulted: replaced null values by feature.
        discarded: events of an event log that became no row and no click, by reason.
        spans: the days that were read; None for a log without days.
        passed_over: names beside the days' that are no days.
    """

    folder: Path
    fingerprint: str
    columns: FeatureColumns
    labels: tuple[str, ...]
    requests: dict[str, int]
    rows: dict[str, int]
    clicks: dict[str, int]
    quarantined: dict[str, int]
    defaulted: dict[str, int]
    discarded: dict[str, int]
    spans: SpansOfRun | None = None
    passed_over: tuple[str, ...] = ()

    def column_names(self) -> list[str]:
        """All columns of the prepared rows."""
        names: list[str] = pa.parquet.read_schema(self.folder / f"{TRAIN}.parquet").names
        return names


def prepare_log(data: DataConfig, seed: int, root: Path, bucket_bytes: int = BUCKET_BYTES) -> PreparedLog:
    """Read, validate and split the log that `data` names; nothing is done again for unchanged files.

    The rows are first spread over buckets on disk by a hash of their request and then checked bucket by bucket, so that
    memory depends on `bucket_bytes` and not on the log. Requests stand in the order of their buckets, and in a bucket
    in that of their first rows.

    Raises:
        DataError: the log breaks its contract, a request stands in both splits, or more than
            `data.max_bad_share` of the rows are bad. The quarantine file is written before that last error.
    """
    files = resolve_files(data)
    fingerprint = _fingerprint(files, data, seed)
    folder, spans = root / fingerprint, spans_of_run(files.window)
    if (folder / SUMMARY_FILE).exists():
        return replace(_read_summary(folder), spans=spans, passed_over=files.passed_over)
    partial = root / f".{fingerprint}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        logs = spool_files(files, data, partial / SPOOL, bucket_bytes)
        by_span = span_split(files, logs[TRAIN].sources)
        prepared = PreparedLog(folder, fingerprint, **_prepared(logs, data, seed, partial, bucket_bytes, by_span))
        shutil.rmtree(partial / SPOOL)
    except DataError:
        shutil.rmtree(partial)
        raise
    (partial / SUMMARY_FILE).write_text(json.dumps(asdict(prepared), default=str, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return replace(prepared, spans=spans, passed_over=files.passed_over)


def split_requests(table: pa.Table, evaluation_share: float, seed: int) -> dict[str, pa.Table]:
    """Split by a hash of the request id: the same request lands in the same split in every run.

    Returns:
        `train` and `eval` tables; all rows of a request are in one of them.
    """
    return _parted(table, pa.array(column_hash(table["request_id"], seed) < evaluation_share))


def _parted(table: pa.Table, held_out: pa.Array) -> dict[str, pa.Table]:
    return {TRAIN: table.filter(pa.compute.invert(held_out)), EVALUATION: table.filter(held_out)}


def _prepared(
    logs: dict[str, SpooledLog],
    data: DataConfig,
    seed: int,
    partial: Path,
    part_bytes: int,
    by_span: SpanSplit | None,
) -> dict[str, Any]:
    """Write both splits and the bad rows to `partial`; returns what the summary says of them."""
    splits = {split: PreparedSplit(partial / f"{split}.parquet") for split in (TRAIN, EVALUATION)}
    checked = {
        split: CheckedLog(log, partial / SPOOL / f"bad-{split}", data.max_request_rows, part_bytes)
        for split, log in logs.items()
    }
    shared: list[str] = []
    for bucket in range(logs[TRAIN].buckets):
        clean = {split: log.bucket(bucket) for split, log in checked.items()}
        if EVALUATION not in logs and clean[TRAIN] is not None:
            if by_span is None:
                clean = split_requests(clean[TRAIN], data.evaluation_share, seed)
            else:
                clean = _parted(clean[TRAIN], by_span.held_out(clean[TRAIN]))
        shared += _shared_requests(clean)
        for split, table in clean.items():
            if table is not None:
                splits[split].add(table.drop([ROW_COLUMN]))
    for log in checked.values():
        log.finish()
    for prepared in splits.values():
        prepared.finish()
    quarantined = write_bad_rows(checked.values(), partial)
    rows = {split: prepared.rows for split, prepared in splits.items()}
    _refuse_bad_share(sum(rows.values()), quarantined, data, partial)
    for split in splits:
        if not rows[split]:
            raise DataError(f"the {split} split has no requests; give more data or change the split")
    if shared:
        raise DataError(
            f"{len(shared)} requests stand in both the training and the evaluation files, such as request_id "
            f"{shared[0]!r}; a model would see what it is judged on: keep each request in one file"
        )
    names = logs[TRAIN].schema().names
    return {
        "columns": feature_columns(names),
        "labels": tuple(name for name in LABEL_COLUMNS if name in names),
        "requests": {split: prepared.requests for split, prepared in splits.items()},
        "rows": rows,
        "clicks": {split: prepared.clicks for split, prepared in splits.items()},
        "quarantined": quarantined,
        "defaulted": total_by_name([dict(log.defaulted) for log in checked.values()]),
        "discarded": write_discarded(checked.values(), partial),
    }


def _shared_requests(clean: dict[str, pa.Table | None]) -> list[str]:
    ids = [pa.compute.unique(table["request_id"]) for table in clean.values() if table is not None]
    if len(ids) < 2:
        return []
    shared: list[str] = ids[0].filter(pa.compute.is_in(ids[0], value_set=ids[1])).to_pylist()
    return shared


def _refuse_bad_share(good: int, quarantined: dict[str, int], data: DataConfig, partial: Path) -> None:
    bad = sum(quarantined.values())
    if bad <= data.max_bad_share * (bad + good):
        return
    kept = partial.with_name("refused")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in (QUARANTINE_FILE, MALFORMED_FILE):
        if (partial / name).exists():
            (partial / name).rename(kept / name)
    worst = max(quarantined, key=lambda reason: quarantined[reason])
    raise DataError(
        f"{bad} of {bad + good} rows are bad ({bad / (bad + good):.1%}; data.max_bad_share allows "
        f"{data.max_bad_share:.1%}), most often: {worst} ({quarantined[worst]}); the rows are kept in {kept}"
    )


def _fingerprint(files: LogFiles, data: DataConfig, seed: int) -> str:
    digest = hashlib.sha256()
    if files.window is not None:
        digest.update(files.window.content.encode())
    # A folder that is read by times grows by other days; the window's events stay what they are.
    for path in () if files.by_time else files.all + files.late:
        inside = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
        for file in (*inside, *companions(path, data.format)):
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    # Which days were asked for is told by those that were found.
    shape = data.model_dump(mode="json", exclude={"path", "simulate", "items", "spans"})
    spans = spans_of_run(files.window)
    digest.update(json.dumps([shape, seed, spans and spans.model_dump()], sort_keys=True).encode())
    for code in _reading_code():
        digest.update(code.read_bytes())
    return digest.hexdigest()[:16]


def _reading_code() -> list[Path]:
    """Files whose change may change what is read: a log prepared by another release is prepared anew."""
    files = [Path(str(module.__file__)) for module in (click_log, hashed_split)]
    packages = [Path(str(package.__file__)).parent for package in (checked_logs, readers)]
    return [*files, Path(__file__), *sorted(file for package in packages for file in package.glob("*.py"))]


def _read_summary(folder: Path) -> PreparedLog:
    values = json.loads((folder / SUMMARY_FILE).read_text())
    columns = values.pop("columns")
    values["columns"] = FeatureColumns(tuple(columns["context"]), tuple(columns["candidate"]))
    return PreparedLog(**{**values, "labels": tuple(values["labels"]), "folder": folder})
