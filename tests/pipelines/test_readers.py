"""Readers: what was written is read back; what cannot be parsed is kept aside or refused by name."""

import gzip

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
from pipelines.readers.open_bandit import read_campaign
from pipelines.readers.read_logs import concatenate
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


LETOR = "2 qid:7 1:0.5 3:1.5 #docid = A1 inc = 1\n0 qid:7 2:2.0 #docid = B2\n1 qid:9 1:1 #docid = C3\n"


def test_letor_lines_become_rows_with_document_ids_and_positions(tmp_path):
    path = tmp_path / "part.txt.gz"
    path.write_bytes(gzip.compress(LETOR.encode()))
    table = read_log([path])[0].table.to_pydict()
    assert table["request_id"] == ["7", "7", "9"]
    assert table["item_id"] == ["A1", "B2", "C3"]
    assert table["position"] == [1, 2, 1]
    assert table["grade"] == [2, 0, 1]
    assert table["feature_1"] == [0.5, 0, 1]
    assert table["feature_3"] == [1.5, 0, 0]


def test_letor_files_of_one_set_agree_on_the_features(tmp_path):
    for name, text in (("a.txt", LETOR), ("b.txt", "1 qid:1 5:1\n")):
        (tmp_path / name).write_text(text)
    first, second = read_log([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert first.table.column_names == second.table.column_names
    assert len(concatenate([first, second]).table) == 4


def test_letor_without_qid_is_refused(tmp_path):
    path = tmp_path / "part.txt"
    path.write_text("1 1:0.5\n0 1:0.2\n")
    with pytest.raises(DataError, match=r"part\.txt"):
        read_log([path])


def test_lightgbm_files_take_their_groups_from_the_query_file(tmp_path):
    path = tmp_path / "rank.train"
    path.write_text("0 1:1\n1 1:2\n2 2:3\n")
    with pytest.raises(DataError, match=r"no rank.train.query beside it"):
        read_log([path], "lightgbm")
    (tmp_path / "rank.train.query").write_text("2\n1\n")
    table = read_log([path], "lightgbm")[0].table.to_pydict()
    assert table["request_id"] == ["rank.train/0", "rank.train/0", "rank.train/1"]
    (tmp_path / "rank.train.query").write_text("2\n2\n")
    with pytest.raises(DataError, match="counts 4 rows, the data have 3"):
        read_log([path], "lightgbm")


def test_patterns_choose_files_and_name_what_they_miss(tmp_path):
    for name in ("S1.txt", "S2.txt", "S4.txt"):
        (tmp_path / name).write_text(LETOR)
    files = resolve_files(DataConfig(path=tmp_path, train=("S[12].txt",), evaluation=("S4.txt",)))
    assert [path.name for path in files.all] == ["S1.txt", "S2.txt", "S4.txt"]
    with pytest.raises(DataError, match=r"data.evaluation: no file in .* matches vali.txt"):
        resolve_files(DataConfig(path=tmp_path, train=("S1.txt",), evaluation=("vali.txt",)))
    with pytest.raises(DataError, match="does not exist"):
        resolve_files(DataConfig(path=tmp_path / "absent"))


@pytest.mark.real_data
def test_mq2008_reads_to_its_published_size(public_data):
    logs = read_log([public_data / "mq2008" / f"S{part}.txt.gz" for part in (1, 2, 3)], "letor")
    table = concatenate(logs).table
    assert len(table) == 9630
    assert len(set(table["request_id"].to_pylist())) == 471
    assert validate(table).reasons == {}


@pytest.mark.real_data
def test_open_bandit_reads_with_true_propensities_and_all_actions(public_data):
    folder = public_data / "open_bandit" / "random" / "women"
    validated = validate(read_log([folder], "open_bandit")[0].table)
    assert len(validated.clean) == 10_000
    np.testing.assert_allclose(validated.clean["propensity"].to_numpy(), 1 / 46)
    assert validated.clean["clicked"].to_numpy().mean() == pytest.approx(0.0046)
    requests = validated.clean["request_id"].to_pylist()[:50]
    campaign = read_campaign(folder)
    features = campaign.action_features(requests, validated.columns.names)
    assert features.shape == (50, 46, len(validated.columns.names))
    shown = [int(item) for item in validated.clean["item_id"].to_pylist()[:50]]
    logged = np.column_stack([validated.clean[name].to_numpy()[:50] for name in validated.columns.names])
    np.testing.assert_array_equal(features[np.arange(50), shown], logged)
