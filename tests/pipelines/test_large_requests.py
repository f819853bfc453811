"""Requests with far too many rows are cut, said so, and cost little memory."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.checked_logs.piecewise_validation import PiecewiseValidation
from pipelines.checked_logs.row_checks import ROW_COLUMN
from pipelines.config import DataConfig
from pipelines.ingest import prepare_log
from pipelines.log_columns import WrongTypes

ROWS = 1_000_000
# Prints the most memory that Arrow had; in a process of its own, for it counts over a process's life.
PREPARE = """
import sys
from pathlib import Path
import pyarrow as pa
from pipelines.config import DataConfig
from pipelines.ingest import prepare_log
log, root = map(Path, sys.argv[1:])
prepare_log(DataConfig(path=log, max_bad_share=1.0), 0, root, bucket_bytes=4 << 20)
print(pa.default_memory_pool().max_memory())
"""


def rows_of(requests, positions, **changes):
    count = len(positions)
    columns = {
        "request_id": requests,
        "timestamp": np.zeros(count, np.int64),
        "item_id": [f"i{position}" for position in positions],
        "position": positions,
        "clicked": np.zeros(count, np.int64),
        "price": np.ones(count),
    }
    return pa.table(columns | changes)


def test_a_request_of_a_million_rows_is_cut_and_the_others_are_whole(tmp_path):
    rng = np.random.default_rng(0)
    positions = rng.permutation(ROWS) + 1
    whole = rows_of(pa.array(["big"]).take(pa.array(np.zeros(ROWS, np.int64))), positions)
    others = rows_of([f"r{number // 5}" for number in range(5000)], np.arange(5000) % 5 + 1)
    path = tmp_path / "log.parquet"
    pq.write_table(pa.concat_tables([others.slice(0, 2500), whole, others.slice(2500)]), path, row_group_size=50_000)
    arguments = [str(path), str(tmp_path / "input")]
    done = subprocess.run([sys.executable, "-c", PREPARE, *arguments], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 0.8 * whole.nbytes
    prepared = prepare_log(DataConfig(path=path, max_bad_share=1.0), 0, tmp_path / "input")
    assert prepared.quarantined == {"the request has more than 10000 rows": ROWS - 10_000}
    assert sum(prepared.rows.values()) == 5000 + 10_000
    assert sum(prepared.requests.values()) == 1001
    kept = pa.concat_tables([pq.read_table(prepared.folder / f"{split}.parquet") for split in ("train", "eval")])
    big = kept.filter(pc.equal(kept["request_id"], "big"))
    assert big["position"].to_pylist() == list(range(1, 10_001))
    bad = pq.ParquetFile(prepared.folder / "quarantine.parquet")
    numbers = pc.add(bad.read(["quarantine_row"])["quarantine_row"], 0).to_numpy()
    assert bad.metadata.num_rows == ROWS - 10_000
    assert (np.diff(numbers) > 0).all()
    assert positions[numbers - 2501].min() == 10_001


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 12)), min_size=1, max_size=40),
    most=st.integers(1, 6),
    cut=st.integers(1, 40),
)
def test_pieces_keep_the_first_rows_of_each_request_as_sorting_them_says(rows, most, cut):
    table = rows_of([request for request, _ in rows], [position for _, position in rows])
    table = table.append_column(ROW_COLUMN, pa.array(np.arange(len(rows))))
    validation = PiecewiseValidation(WrongTypes(), most)
    for start in range(0, len(rows), cut):
        validation.add(table.slice(start, cut))
    clean, _, _ = validation.finish()
    good = [(request, position, row) for row, (request, position) in enumerate(rows) if position >= 1]
    kept = set()
    for request in "abc":
        kept |= set(sorted(row for row in good if row[0] == request)[:most])
    expected = {}
    for request, position, row in sorted(kept, key=lambda found: found[2]):
        expected.setdefault((request, position), row)
    found = list(zip(clean["request_id"].to_pylist(), clean["position"].to_pylist(), strict=True))
    assert found == list(expected)
    assert sum(validation.reasons.values()) + len(clean) == len(rows)
    excess = validation.reasons.get(f"the request has more than {most} rows", 0)
    assert excess == len(good) - len(kept)
    assert sum(len(bad) for bad in validation.take_bad()) == sum(validation.reasons.values())
