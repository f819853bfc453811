"""Click logs that grow by daily folders, for tests."""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet

from pipelines.config import DataConfig
from tests.pipelines.logs import small_log

FIRST = date(2026, 1, 1)


def day(number):
    """The date of a day of the log, from 0."""
    return FIRST + timedelta(days=number)


def day_log(number, requests=20, **changes):
    """The log of a day: requests `d0r0`, `d0r1` and so on."""
    table = small_log(requests=requests, **changes)
    names = [f"d{number}{name}" for name in table["request_id"].to_pylist()]
    return table.set_column(0, "request_id", pa.array(names))


def write_day(root, number, table=None, version=None, name=None):
    """Write a day's log where `logs/{date}/log.parquet` or `logs/{date}/v{version}/log.parquet` looks for it."""
    folder = root / "logs" / (name or day(number).isoformat())
    if version is not None:
        folder /= f"v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(day_log(number) if table is None else table, folder / "log.parquet")
    return folder / "log.parquet"


def spans_config(root, layout="{date}/log.parquet", spans=None, **data):
    """The configuration of such a log."""
    return DataConfig(path=root / "logs" / layout, spans=spans or {"window": 3}, **data)


def requests_of(prepared):
    """Request ids by split."""
    return {
        split: set(pa.parquet.read_table(prepared.folder / f"{split}.parquet")["request_id"].to_pylist())
        for split in ("train", "eval")
    }
