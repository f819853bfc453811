"""From a click log to the pipeline's input: validated, split by request, sorted, bad rows kept aside."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from pipelines import click_log, hashed_split, log_columns, readers
from pipelines.click_log import LABEL_COLUMNS, FeatureColumns, ValidatedLog, validate
from pipelines.config import DataConfig
from pipelines.hashed_split import identifier_hash
from pipelines.quarantine import total_by_name, write_quarantine
from pipelines.readers import read_log, resolve_files
from pipelines.readers.event_log import EventJoin
from pipelines.readers.files import companions
from pipelines.readers.read_logs import ReadLog, concatenate, require_same_columns
from seriatim_errors import DataError

REQUESTS_PER_ROW_GROUP = 512
TRAIN, EVALUATION = "train", "eval"
SUMMARY_FILE = "summary.json"


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


def prepare_log(data: DataConfig, seed: int, root: Path) -> PreparedLog:
    """Read, validate and split the log that `data` names; nothing is done again for unchanged files.

    Raises:
        DataError: the log breaks its contract, a request stands in both splits, or more than
            `data.max_bad_share` of the rows are bad. The quarantine file is written before that last error.
    """
    files = resolve_files(data)
    fingerprint = _fingerprint(files.all, data, seed)
    folder = root / fingerprint
    if (folder / SUMMARY_FILE).exists():
        return _read_summary(folder)
    # One call for both splits, so that sparse formats agree on the number of features.
    logs = read_log(files.all, data.format, EventJoin(data.click_action, data.click_window))
    require_same_columns(logs)
    splits: dict[str, ReadLog] = {TRAIN: concatenate(logs[: len(files.train)])}
    if files.evaluation:
        splits[EVALUATION] = concatenate(logs[len(files.train) :])
    validated = {split: validate(without_columns(log.table, data.ignore_columns)) for split, log in splits.items()}
    partial = root / f".{fingerprint}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    quarantined = write_quarantine(list(validated.values()), list(splits.values()), partial)
    _refuse_bad_share(validated, quarantined, data, partial)
    clean = {split: log.clean for split, log in validated.items()}
    if not files.evaluation:
        clean = split_requests(clean[TRAIN], data.evaluation_share, seed)
    _refuse_bad_split(clean)
    prepared = PreparedLog(
        folder=folder,
        fingerprint=fingerprint,
        columns=validated[TRAIN].columns,
        labels=tuple(name for name in LABEL_COLUMNS if name in clean[TRAIN].column_names),
        requests={split: len(pa.compute.unique(table["request_id"])) for split, table in clean.items()},
        rows={split: len(table) for split, table in clean.items()},
        clicks={split: _clicks(table) for split, table in clean.items()},
        quarantined=quarantined,
        defaulted=total_by_name([log.defaulted for log in validated.values()]),
    )
    for split, table in clean.items():
        write_sorted(table, partial / f"{split}.parquet")
    (partial / SUMMARY_FILE).write_text(json.dumps(asdict(prepared), default=str, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return prepared


def without_columns(table: pa.Table, ignored: Sequence[str]) -> pa.Table:
    """The table without the columns that are to be ignored.

    Raises:
        DataError: the table has no column of such a name.
    """
    for name in ignored:
        if name not in table.column_names:
            raise DataError(
                f"{name!r} is to be ignored but is no column of the click log "
                f"(found: {', '.join(table.column_names)}); correct its spelling"
            )
    return table.drop(list(ignored))


def split_requests(table: pa.Table, evaluation_share: float, seed: int) -> dict[str, pa.Table]:
    """Split by a hash of the request id: the same request lands in the same split in every run.

    Returns:
        `train` and `eval` tables; all rows of a request are in one of them.
    """
    request_ids = table["request_id"].to_pandas().to_numpy(object)
    held_out = pa.array(identifier_hash(request_ids, seed) < evaluation_share)
    return {TRAIN: table.filter(pa.compute.invert(held_out)), EVALUATION: table.filter(held_out)}


def write_sorted(table: pa.Table, path: Path) -> None:
    """Write a log sorted by request and position, with no request across two row groups."""
    codes = pd.factorize(table["request_id"].to_pandas())[0]
    order = np.lexsort((table["position"].to_numpy(), codes))
    table, codes = table.take(pa.array(order)), codes[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    bounds = [*starts[::REQUESTS_PER_ROW_GROUP].tolist(), len(table)]
    with pa.parquet.ParquetWriter(path, table.schema) as writer:
        for start, end in itertools.pairwise(bounds):
            writer.write_table(table.slice(start, end - start), row_group_size=max(end - start, 1))


def _refuse_bad_split(clean: dict[str, pa.Table]) -> None:
    for split, table in clean.items():
        if len(table) == 0:
            raise DataError(f"the {split} split has no requests; give more data or change the split")
    requests = {split: pa.compute.unique(table["request_id"]) for split, table in clean.items()}
    shared = requests[TRAIN].filter(pa.compute.is_in(requests[TRAIN], value_set=requests[EVALUATION]))
    if len(shared):
        raise DataError(
            f"{len(shared)} requests stand in both the training and the evaluation files, such as request_id "
            f"{shared[0].as_py()!r}; a model would see what it is judged on: keep each request in one file"
        )


def _refuse_bad_share(
    validated: dict[str, ValidatedLog], quarantined: dict[str, int], data: DataConfig, partial: Path
) -> None:
    bad = sum(quarantined.values())
    total = bad + sum(len(log.clean) for log in validated.values())
    if bad <= data.max_bad_share * total:
        return
    kept = partial.with_name("refused")
    shutil.rmtree(kept, ignore_errors=True)
    partial.rename(kept)
    worst = max(quarantined, key=lambda reason: quarantined[reason])
    raise DataError(
        f"{bad} of {total} rows are bad ({bad / total:.1%}; data.max_bad_share allows {data.max_bad_share:.1%}), "
        f"most often: {worst} ({quarantined[worst]}); the rows are kept in {kept}"
    )


def _clicks(table: pa.Table) -> int:
    return int(table["clicked"].to_numpy().sum()) if "clicked" in table.column_names else 0


def _fingerprint(files: tuple[Path, ...], data: DataConfig, seed: int) -> str:
    digest = hashlib.sha256()
    for path in files:
        inside = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
        for file in (*inside, *companions(path, data.format)):
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    shape = data.model_dump(mode="json", exclude={"path", "simulate", "items"})
    digest.update(json.dumps([shape, seed], sort_keys=True).encode())
    for code in _reading_code():
        digest.update(code.read_bytes())
    return digest.hexdigest()[:16]


def _reading_code() -> list[Path]:
    """Files whose change may change what is read: a log prepared by another release is prepared anew."""
    modules = [Path(module) for module in (click_log.__file__, hashed_split.__file__, log_columns.__file__, __file__)]
    return modules + sorted(Path(readers.__file__).parent.glob("*.py"))


def _read_summary(folder: Path) -> PreparedLog:
    values = json.loads((folder / SUMMARY_FILE).read_text())
    columns = values.pop("columns")
    values["columns"] = FeatureColumns(tuple(columns["context"]), tuple(columns["candidate"]))
    return PreparedLog(**{**values, "labels": tuple(values["labels"]), "folder": folder})
