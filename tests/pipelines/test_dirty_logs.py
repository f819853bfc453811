"""Logs with a tenth of bad rows: every row of the input is prepared or explained, however it is spread over buckets."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipelines.checked_logs.quarantine import MALFORMED_REASON
from pipelines.click_log import validate
from pipelines.config import DataConfig
from pipelines.ingest import prepare_log
from pipelines.readers import pieces, read_log
from seriatim_errors import DataError
from serving.events import EventLog
from tests.event_samples import acted, shown

ROWS, SHARE = 3000, 0.1
TORN_OBJECT = '{"request_id": "r1", "item'


def dirty_log(seed):
    """Rows out of order, a tenth of them bad, repeated or from a clock that is years off."""
    rng = np.random.default_rng(seed)
    row = np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "request_id": [f"r{number // 6}" for number in row],
            "timestamp": (1_700_000_000_000_000 + 1_000_000 * row).astype(str),
            "item_id": [f"i{number % 6}" for number in row],
            "position": (row % 6 + 1).astype(float),
            "clicked": (rng.random(ROWS) < 0.2).astype(float),
            "user_id": [f"u{number // 6 % 7}" for number in row],
            "context_hour": (row // 6 % 24).astype(float),
            "item_price": rng.random(ROWS).round(3).astype(str),
            "affinity": rng.random(ROWS),
        }
    )
    frame["timestamp"] = pd.to_datetime(frame["timestamp"].astype("int64"), unit="us").astype(str)
    faults = [
        ("request_id", None), ("item_id", None), ("position", 0.0), ("position", 2.0), ("item_id", "i3"),
        ("clicked", 7.0), ("context_hour", 99.0), ("user_id", "u99"), ("item_price", "cheap"), ("affinity", None),
        ("timestamp", "long ago"), ("timestamp", "1969-01-01T00:00:00"), ("timestamp", "2099-01-01T00:00:00Z"),
    ]  # fmt: skip
    for place in rng.choice(ROWS, int(ROWS * SHARE), replace=False):
        name, value = faults[rng.integers(len(faults))]
        frame.loc[place, name] = value
    repeated = frame.iloc[rng.choice(ROWS, 40)]
    return pd.concat([frame, repeated]).iloc[rng.permutation(ROWS + 40)].reset_index(drop=True)


def write(frame, path, torn):
    """The number of malformed lines, which stand between the rows."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=500)
        return 0
    if path.suffix == ".csv":
        lines = frame.to_csv(index=False).splitlines()
    else:
        lines = frame.to_json(orient="records", lines=True).splitlines()
    for place in np.linspace(2, len(lines), torn, dtype=int)[::-1]:
        lines.insert(place, "torn" if path.suffix == ".csv" else TORN_OBJECT)
    path.write_text("\n".join(lines) + "\n")
    return torn


def prepared_rows(prepared):
    tables = [pq.read_table(prepared.folder / f"{split}.parquet") for split in ("train", "eval")]
    return sorted_rows(pa.concat_tables(tables))


def sorted_rows(table):
    return table.take(pc.sort_indices(table, [("request_id", "ascending"), ("position", "ascending")]))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("bucket_bytes", [1 << 26, 60_000])
def test_good_and_bad_rows_are_those_of_the_whole_log_at_once(tmp_path, monkeypatch, suffix, bucket_bytes):
    monkeypatch.setattr(pieces, "JSON_BYTES_AT_ONCE", 50_000)
    monkeypatch.setattr(pieces, "CSV_BYTES_AT_ONCE", 20_000)
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 400)
    path = tmp_path / f"log.{suffix}"
    frame = dirty_log(seed=1)
    torn = write(frame, path, torn=25)
    config = DataConfig(path=path, max_bad_share=0.5)
    prepared = prepare_log(config, 0, tmp_path / "input", bucket_bytes)
    [read] = read_log([path])
    whole = validate(read.table)
    assert prepared.quarantined == whole.reasons | ({MALFORMED_REASON: torn} if torn else {})
    assert len(whole.reasons) >= 9
    assert sum(prepared.rows.values()) + sum(prepared.quarantined.values()) == len(frame) + torn
    assert prepared_rows(prepared).equals(sorted_rows(whole.clean))
    assert prepared.defaulted == whole.defaulted
    bad = pq.read_table(prepared.folder / "quarantine.parquet")
    assert set(bad["quarantine_file"].to_pylist()) == {str(path)}
    assert bad.drop(["quarantine_file"]).equals(whole.quarantine)
    if torn:
        assert pq.read_table(prepared.folder / "malformed.parquet").equals(read.malformed)
    assert not list((tmp_path / "input").glob(".*"))
    assert not (prepared.folder / "spool").exists()


def test_every_malformed_line_comes_with_a_piece_though_the_reader_is_ahead(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text("request_id,value\n" + "r,1\ntorn\n" * 3000)
    monkeypatch.setattr(pieces, "CSV_BYTES_AT_ONCE", 1000)
    found = []
    for piece in pieces.csv_pieces(path):
        # Long work that leaves Python's lock to the reader, which is ahead when the next piece is asked for.
        hashlib.sha256(bytes(1 << 20))
        found += piece.malformed
    assert [number for number, _ in found] == list(range(3, 6003, 2))


def test_each_bad_row_is_the_row_of_the_input_that_it_names(tmp_path):
    frame = dirty_log(seed=2)
    frame.to_parquet(tmp_path / "log.parquet")
    config = DataConfig(path=tmp_path / "log.parquet", max_bad_share=0.5)
    prepared = prepare_log(config, 0, tmp_path / "input", 60_000)
    bad = pq.read_table(prepared.folder / "quarantine.parquet").to_pandas()
    assert bad["quarantine_row"].is_monotonic_increasing
    pd.testing.assert_frame_equal(
        bad[frame.columns], frame.iloc[bad["quarantine_row"] - 1].reset_index(drop=True), check_dtype=False
    )


def test_times_of_skewed_clocks_are_kept_as_they_are(tmp_path):
    frame = dirty_log(seed=3)
    frame.to_parquet(tmp_path / "log.parquet")
    prepared = prepare_log(DataConfig(path=tmp_path / "log.parquet", max_bad_share=0.5), 0, tmp_path / "input", 60_000)
    years = set(pc.year(prepared_rows(prepared)["timestamp"]).to_pylist())
    assert {1969, 2023, 2099} <= years


def test_a_log_in_many_buckets_is_prepared_the_same_way_each_time(tmp_path):
    dirty_log(seed=4).to_parquet(tmp_path / "log.parquet")
    config = DataConfig(path=tmp_path / "log.parquet", max_bad_share=0.5)
    first, second = (prepare_log(config, 0, tmp_path / name, 60_000).folder for name in ("a", "b"))
    for file in ("train.parquet", "eval.parquet", "quarantine.parquet"):
        assert pq.read_table(first / file).equals(pq.read_table(second / file))


def test_a_request_in_both_splits_is_found_in_its_bucket(tmp_path):
    frame = dirty_log(seed=5).assign(request_id=lambda log: "a" + log["request_id"])
    other = frame.assign(request_id="b" + frame["request_id"])
    other.loc[7, "request_id"] = frame["request_id"].dropna().iloc[0]
    for name, table in (("a.parquet", frame), ("b.parquet", other)):
        table.to_parquet(tmp_path / name)
    config = DataConfig(path=tmp_path, train=("a.parquet",), evaluation=("b.parquet",), max_bad_share=0.9)
    with pytest.raises(DataError, match="1 requests stand in both the training and the evaluation files"):
        prepare_log(config, 0, tmp_path / "input", 60_000)


def test_events_sent_twice_late_or_torn_add_up(tmp_path):
    log = EventLog(tmp_path / "events")
    slates = [shown(number, items=3) for number in range(40)]
    clicks = [acted(number, item_id="i1") for number in range(20)]
    log.append([*slates, *clicks])
    log.append([*slates[:10], *clicks[:5]])
    log.close()
    [file, *_] = sorted(path for path in (tmp_path / "events").rglob("*") if path.suffix == ".jsonl")
    with file.open("ab") as stream:
        stream.write(b'{"torn": \n' * 12)
    config = DataConfig(path=tmp_path / "events", format="event_log", max_bad_share=0.5)
    prepared = prepare_log(config, 0, tmp_path / "input", 2_000)
    # The last item of every slate has no propensity.
    assert prepared.quarantined == {"propensity is missing": 40, MALFORMED_REASON: 12}
    assert sum(prepared.rows.values()) == 80
    assert sum(prepared.requests.values()) == 40
    assert sum(prepared.clicks.values()) == 20


def test_every_event_of_a_replayed_log_is_a_row_a_click_or_explained(tmp_path):
    rng = np.random.default_rng(0)
    events = [shown(number, items=3, propensities=(0.5, 0.5, 0.5)) for number in range(60)]
    events += [acted(number, item_id=f"i{rng.integers(3)}") for number in range(0, 60, 2)]
    start = events[0].time
    faults = [
        acted(100, item_id="elsewhere", request_id="r1"), acted(101, request_id="nobody"),
        acted(102, request_id="r3", time=start - 1), acted(103, request_id="r5", time=start + 7200 * 10**6),
        shown(7, event_id="another", items=2),
    ]  # fmt: skip
    replayed = [events[place] for place in rng.choice(len(events), 20, replace=False)]
    # Each writer starts anew and knows nothing of what another has written.
    for number, part in enumerate((events[::-1], [*replayed, *faults], replayed[:5])):
        log = EventLog(tmp_path / f"events{number}")
        log.append(part)
        log.close()
    folder = tmp_path / "events"
    folder.mkdir()
    for number in range(3):
        for file in (tmp_path / f"events{number}").glob("*.jsonl"):
            file.rename(folder / f"{number}-{file.name}")
    prepared = prepare_log(DataConfig(path=folder, format="event_log"), 0, tmp_path / "input")
    assert prepared.quarantined == {}
    assert sum(prepared.requests.values()) == 60
    assert sum(prepared.rows.values()) == 180
    assert sum(prepared.clicks.values()) == 30
    assert prepared.discarded == {
        "a click after data.click_window": 1,
        "a click before its slate": 1,
        "a click on what no slate of its request shows": 2,
        "a slate of a request that has one": 1,
        "an event that was there already": 25,
    }
    assert 60 + 30 + sum(prepared.discarded.values()) == len(events) + len(replayed) + len(faults) + 5
    kept = pq.read_table(prepared.folder / "discarded.parquet")
    assert len(kept) == 30
    assert kept["event_id"].null_count == kept["request_id"].null_count == kept["time"].null_count == 0


@pytest.mark.parametrize(
    ("early", "late"),
    [("1", "2.5"), ("", "3"), ("", "2.5"), ("", "text"), ("1", "text"), ("true", "maybe"), ("0", "true"),
     ("2024-01-01", "2024-01-01 10:00:00"), ("", "2024-01-01"), ("2024-01-01 10:00:00", "1.5"), ("1", '"a ""b"""')],
)  # fmt: skip
def test_a_csv_column_that_changes_its_type_is_read_as_arrow_reads_it_at_once(tmp_path, monkeypatch, early, late):
    path = tmp_path / "log.csv"
    path.write_text("request_id,value\n" + f"r,{early}\n" * 500 + "torn\n" + f"r,{late}\n" + f"r,{early}\n" * 500)
    monkeypatch.setattr(pieces, "CSV_BYTES_AT_ONCE", 1000)
    [read] = read_log([path])
    options = pa.csv.ParseOptions(invalid_row_handler=lambda row: "skip")
    convert = pa.csv.ConvertOptions(null_values=pieces.NULL_SPELLINGS, column_types=pieces.IDENTIFIERS)
    expected = pa.csv.read_csv(path, parse_options=options, convert_options=convert)
    assert read.table.schema == expected.schema
    assert read.table.equals(expected)
    assert read.malformed.to_pylist() == [{"file": str(path), "line": 502, "text": "torn"}]


def test_rows_read_before_a_column_changed_its_type_are_not_counted_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "CSV_BYTES_AT_ONCE", 1000)
    path = tmp_path / "log.csv"
    frame = dirty_log(seed=6).dropna(subset=["request_id"])
    frame["item_price"] = [*(["1"] * (len(frame) - 3)), "dear", "1", "1"]
    frame.to_csv(path, index=False)
    prepared = prepare_log(DataConfig(path=path, max_bad_share=0.5), 0, tmp_path / "input", 60_000)
    whole = validate(read_log([path])[0].table)
    assert prepared.quarantined == whole.reasons
    bad = pq.read_table(prepared.folder / "quarantine.parquet")
    assert bad.drop(["quarantine_file"]).equals(whole.quarantine)
    assert prepared_rows(prepared).equals(sorted_rows(whole.clean))


def test_a_key_that_only_late_lines_have_is_a_column(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "JSON_BYTES_AT_ONCE", 1000)
    row = {"timestamp": 1, "item_id": "a", "position": 1, "clicked": 0, "price": 1}
    rows = [{**row, "request_id": f"r{number}"} for number in range(99)]
    rows += [{**row, "request_id": f"s{number}", "user_id": "u", "price": 1.5, "late": 2.5} for number in range(9)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepared = prepare_log(DataConfig(path=path), 0, tmp_path / "input", 2_000)
    assert prepared.columns.names == ("price", "late")
    assert prepared.defaulted == {"late": 99}
    assert sum(prepared.rows.values()) == 108
