"""Readers: what was written is read back; what cannot be parsed is kept aside or refused by name."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.click_log import validate
from pipelines.config import DataConfig
from pipelines.readers import read_log, resolve_files
from seriatim_errors import DataError
from tests.pipelines.logs import small_log


def write(table, path):
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        table.to_pandas().to_json(path, orient="records", lines=True, double_precision=15)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_format_reads_back_the_same_log(tmp_path, suffix):
    expected = validate(small_log()).clean
    [read] = read_log([write(small_log(), tmp_path / f"log.{suffix}")])
    assert validate(read.table).clean.to_pydict() == expected.to_pydict()


@settings(deadline=None, max_examples=25)
@given(prices=st.lists(st.floats(-1e6, 1e6, width=32), min_size=12, max_size=12), ids=st.integers(0, 10**9))
def test_csv_and_jsonl_round_trip_any_number_and_numeric_id(tmp_path_factory, prices, ids):
    folder = tmp_path_factory.mktemp("round")
    log = small_log(item_price=prices, item_id=[str(ids + row % 3) for row in range(12)])
    for suffix in ("csv", "jsonl"):
        [read] = read_log([write(log, folder / f"log.{suffix}")])
        clean = validate(read.table).clean
        np.testing.assert_allclose(clean["item_price"].to_numpy(), np.float32(prices), rtol=1e-6, atol=1e-12)
        assert clean["item_id"].to_pylist() == log["item_id"].to_pylist()


def test_csv_lines_of_another_width_are_kept_aside(tmp_path):
    path = write(small_log(), tmp_path / "log.csv")
    path.write_text(path.read_text() + "torn,line\n")
    [read] = read_log([path])
    assert len(read.table) == 12
    assert read.malformed["text"].to_pylist() == ["torn,line"]


def test_a_csv_column_that_turns_to_text_late_is_read_as_text(tmp_path):
    path = tmp_path / "log.csv"
    big = small_log(requests=40_000)
    write(big, path)
    path.write_text(path.read_text() + "rx,1700000000000000,i0,1,0,0.0,oops,0.1\n")
    validated = validate(read_log([path])[0].table)
    assert validated.reasons == {"item_price is not a number": 1}
    assert len(validated.clean) == 120_000


def test_jsonl_lines_that_are_no_objects_are_kept_aside(tmp_path):
    path = write(small_log(), tmp_path / "log.jsonl")
    path.write_text(path.read_text().rstrip() + '\n{"broken": \n[1]\n')
    [read] = read_log([path])
    assert len(read.table) == 12
    assert read.malformed["line"].to_pylist() == [13, 14]


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.txt", "log.parquet"])
def test_an_empty_file_is_refused_by_name(tmp_path, name):
    path = tmp_path / name
    path.touch()
    with pytest.raises(DataError, match=name):
        read_log([path])


def test_an_unknown_suffix_asks_for_the_format(tmp_path):
    path = tmp_path / "log.xyz"
    path.write_text("?")
    with pytest.raises(DataError, match=r"set data.format"):
        read_log([path])


def test_identifiers_stay_the_text_they_are(tmp_path):
    ids = [
        "007",
        "7",
        "NA",
        "null",
        "1e5",
        "2024-01-01",
        "true",
        "2024-01-01 10:00:00",
        "12345678901234567890",
        "nan",
        "a,b",
        '"',
    ]
    for suffix in ("csv", "jsonl", "parquet"):
        [read] = read_log(
            [
                write(
                    small_log(
                        item_id=ids,
                        request_id=["1"] * 3 + ["01"] * 9,
                        position=[1, 2, 3, *range(1, 10)],
                        context_hour=[1.0] * 12,
                    ),
                    tmp_path / f"log.{suffix}",
                )
            ]
        )
        clean = validate(read.table).clean
        assert clean["item_id"].to_pylist() == ids, suffix
        assert set(clean["request_id"].to_pylist()) == {"1", "01"}


def test_csv_tells_missing_values_from_values_gone_wrong(tmp_path):
    prices = ["", "NA", "null", "nan", "inf", "1", "2", "3", "4", "5", "6", "7"]
    validated = validate(read_log([write(small_log(item_price=prices), tmp_path / "log.csv")])[0].table)
    assert validated.defaulted == {"item_price": 3}
    assert validated.reasons == {"item_price is not finite": 2}


def test_compressed_text_reads_like_plain_text(tmp_path):
    for suffix in ("csv", "jsonl"):
        plain = write(small_log(), tmp_path / f"log.{suffix}")
        packed = tmp_path / f"packed.{suffix}.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert read_log([packed])[0].table.equals(read_log([plain])[0].table)


def test_jsonl_numbers_as_identifiers_and_absent_keys_are_read(tmp_path):
    rows = small_log(item_id=[row % 3 for row in range(12)]).to_pylist()
    del rows[4]["item_price"]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    validated = validate(read_log([path])[0].table)
    assert validated.clean["item_id"].to_pylist()[:3] == ["0", "1", "2"]
    assert validated.defaulted == {"item_price": 1}


def test_jsonl_without_a_required_key_is_refused_by_validation(tmp_path):
    path = write(small_log(item_id=None), tmp_path / "log.jsonl")
    with pytest.raises(DataError, match="column 'item_id' is missing"):
        validate(read_log([path])[0].table)


def torn(data):
    return data[: len(data) // 2]


def torn_gzip(data):
    """The first half of the packed data, which are the same at any time."""
    return torn(gzip.compress(data, mtime=0))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("torn.parquet", None, "is not a readable Parquet file"),
        ("text.parquet", b"just some text, long enough", "is not a readable Parquet file"),
        ("torn.csv.gz", torn_gzip(b"request_id,item_id\n" * 99), "is not a readable CSV file"),
        ("torn.jsonl.gz", torn_gzip(b'{"request_id": 1}\n' * 99), "is not a readable JSON lines file"),
        ("torn.txt.gz", torn_gzip(b"1 qid:1 1:0.5\n" * 99), "is not a readable SVMLight file"),
        ("plain.txt.gz", b"1 qid:1 1:0.5\n", "is not a readable SVMLight file"),
        ("latin.csv", b"request_id,item_id\nr\xe9,a\n", "is not a readable CSV file"),
    ],
)
def test_a_torn_or_foreign_file_is_refused_by_name(tmp_path, name, content, message):
    if content is None:
        content = torn(write(small_log(requests=400), tmp_path / "whole.parquet").read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} {message}"):
        read_log([tmp_path / name])


@pytest.mark.parametrize("log_format", ["csv", "jsonl", "letor", "lightgbm"])
def test_a_folder_is_refused_where_a_file_is_read(tmp_path, log_format):
    with pytest.raises(DataError, match="is a folder; give a file"):
        read_log([tmp_path], log_format)


def test_a_folder_of_parquet_files_is_one_log(tmp_path):
    for part in range(2):
        pa.parquet.write_table(small_log().slice(part * 6, 6), tmp_path / f"part-{part}.parquet")
    assert len(read_log([tmp_path], "parquet")[0].table) == 12


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv does not exist"):
        read_log([tmp_path / "absent.csv"])


def test_patterns_choose_files_and_name_what_they_miss(tmp_path):
    for name in ("S1.txt", "S2.txt", "S4.txt"):
        (tmp_path / name).touch()
    files = resolve_files(DataConfig(path=tmp_path, train=("S[12].txt",), evaluation=("S4.txt",)))
    assert [path.name for path in files.all] == ["S1.txt", "S2.txt", "S4.txt"]
    with pytest.raises(DataError, match=r"data.evaluation: no file in .* matches vali.txt"):
        resolve_files(DataConfig(path=tmp_path, train=("S1.txt",), evaluation=("vali.txt",)))
    with pytest.raises(DataError, match="does not exist"):
        resolve_files(DataConfig(path=tmp_path / "absent"))


def test_training_patterns_alone_leave_the_split_to_the_share(tmp_path):
    (tmp_path / "a.csv").touch()
    files = resolve_files(DataConfig(path=tmp_path, train=("*.csv",)))
    assert [path.name for path in files.train] == ["a.csv"]
    assert files.evaluation == ()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"evaluation": ("a.csv",)}, "data.evaluation holds patterns but data.train holds none"),
        ({"train": ("*.csv",), "evaluation": ("a.csv",)}, "a.csv matches both data.train and data.evaluation"),
    ],
)
def test_patterns_that_cannot_make_two_splits_are_refused(tmp_path, patterns, message):
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match=message):
        resolve_files(DataConfig(path=tmp_path, **patterns))
    with pytest.raises(DataError):
        resolve_files(DataConfig(path=tmp_path / "a.csv", **patterns))
