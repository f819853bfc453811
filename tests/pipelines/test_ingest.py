"""From a log on disk to the pipeline's input."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.config import DataConfig
from pipelines.hashed_split import identifier_hash
from pipelines.ingest import prepare_log, split_requests
from seriatim_errors import DataError
from tests.pipelines.logs import small_log, with_value


def config_for(tmp_path, table, **changes):
    pa.parquet.write_table(table, tmp_path / "log.parquet")
    return DataConfig(path=tmp_path / "log.parquet", **changes)


def test_a_request_lands_in_one_split_and_always_in_the_same():
    log = small_log(requests=400)
    splits = split_requests(log, 0.25, seed=3)
    train, held_out = (set(splits[name]["request_id"].to_pylist()) for name in ("train", "eval"))
    assert not train & held_out
    assert len(train | held_out) == 400
    assert 60 < len(held_out) < 140
    part = split_requests(log.slice(300, 300), 0.25, seed=3)
    assert set(part["eval"]["request_id"].to_pylist()) <= held_out
    assert set(split_requests(log, 0.25, seed=4)["eval"]["request_id"].to_pylist()) != held_out


def test_an_unchanged_log_is_prepared_once_and_a_changed_one_anew(tmp_path):
    config = config_for(tmp_path, small_log(requests=40))
    first = prepare_log(config, 0, tmp_path / "input")
    assert prepare_log(config, 0, tmp_path / "input") == first
    assert sum(first.rows.values()) == 120
    other = prepare_log(config_for(tmp_path, small_log(requests=41)), 0, tmp_path / "input")
    assert other.fingerprint != first.fingerprint


def test_prepared_rows_are_sorted_and_no_request_spans_two_row_groups(tmp_path):
    shuffled = small_log(requests=2000).take(pa.array([(row * 7) % 6000 for row in range(6000)]))
    prepared = prepare_log(config_for(tmp_path, shuffled), 0, tmp_path / "input")
    file = pa.parquet.ParquetFile(prepared.folder / "train.parquet")
    assert file.num_row_groups > 1
    seen: set[str] = set()
    for index in range(file.num_row_groups):
        group = file.read_row_group(index)
        requests = group["request_id"].to_pylist()
        assert not seen & set(requests)
        seen |= set(requests)
        assert group["position"].to_pylist() == [1, 2, 3] * (len(requests) // 3)


def test_bad_rows_are_kept_and_too_many_stop_the_run(tmp_path):
    log = with_value(small_log(requests=40), "clicked", 7, 5)
    prepared = prepare_log(config_for(tmp_path, log, max_bad_share=0.1), 0, tmp_path / "input")
    assert prepared.quarantined == {"clicked is not 0 or 1": 1}
    assert len(pa.parquet.read_table(prepared.folder / "quarantine.parquet")) == 1
    with pytest.raises(DataError, match="1 of 120 rows are bad") as caught:
        prepare_log(config_for(tmp_path, log, max_bad_share=0.0), 0, tmp_path / "input")
    kept = tmp_path / "input" / "refused" / "quarantine.parquet"
    assert str(kept.parent) in str(caught.value)
    assert len(pa.parquet.read_table(kept)) == 1


def test_ignored_columns_are_no_features(tmp_path):
    log = small_log(requests=40, item_colour=["red"] * 120)
    with pytest.raises(DataError, match="item_colour"):
        prepare_log(config_for(tmp_path, log), 0, tmp_path / "input")
    prepared = prepare_log(config_for(tmp_path, log, ignore_columns=("item_colour",)), 0, tmp_path / "input")
    assert "item_colour" not in prepared.columns.names


def test_quarantine_names_the_file_and_the_row_in_it(tmp_path):
    parts = (
        small_log(),
        with_value(
            small_log(
                request_id=["s"] * 12, item_id=list("abcdefghijkl"), position=[*range(1, 13)], context_hour=[0.0] * 12
            ),
            "clicked",
            4,
            9,
        ),
    )
    for name, table in zip(("a.csv", "b.csv"), parts, strict=True):
        pa.csv.write_csv(table, tmp_path / name)
    (tmp_path / "b.csv").write_text((tmp_path / "b.csv").read_text() + "torn\n")
    held_out = small_log(request_id=["t"] * 3, requests=1, item_price=["oops", "1", "2"])
    pa.csv.write_csv(held_out, tmp_path / "c.csv")
    config = DataConfig(path=tmp_path, train=("a.csv", "b.csv"), evaluation=("c.csv",), max_bad_share=0.5)
    prepared = prepare_log(config, 0, tmp_path / "input")
    assert prepared.quarantined == {
        "clicked is not 0 or 1": 1,
        "item_price is not a number": 1,
        "the line is malformed": 1,
    }
    bad = pa.parquet.read_table(prepared.folder / "quarantine.parquet").to_pylist()
    assert [(row["quarantine_file"], row["quarantine_row"]) for row in bad] == [
        (str(tmp_path / "b.csv"), 5),
        (str(tmp_path / "c.csv"), 1),
    ]
    assert bad[1]["item_price"] == "oops"
    [line] = pa.parquet.read_table(prepared.folder / "malformed.parquet").to_pylist()
    assert line == {"file": str(tmp_path / "b.csv"), "line": 14, "text": "torn"}


def test_defaults_of_both_splits_are_added_up(tmp_path):
    for name, request in (("a.parquet", "a"), ("b.parquet", "b")):
        table = small_log(requests=1, request_id=[request] * 3, item_price=[None, 1.0, 2.0])
        pa.parquet.write_table(table, tmp_path / name)
    config = DataConfig(path=tmp_path, train=("a.parquet",), evaluation=("b.parquet",))
    assert prepare_log(config, 0, tmp_path / "input").defaulted == {"item_price": 2}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (small_log(affinity=None), "column 'affinity' is in .*a.parquet but not in .*b.parquet"),
        (small_log(), "4 requests stand in both the training and the evaluation files, such as request_id 'r0'"),
    ],
)
def test_splits_of_different_columns_or_shared_requests_are_refused(tmp_path, other, message):
    pa.parquet.write_table(small_log(), tmp_path / "a.parquet")
    pa.parquet.write_table(other, tmp_path / "b.parquet")
    with pytest.raises(DataError, match=message):
        prepare_log(DataConfig(path=tmp_path, train=("a.parquet",), evaluation=("b.parquet",)), 0, tmp_path / "input")


def test_a_column_to_ignore_must_be_there(tmp_path):
    with pytest.raises(DataError, match="'item_colour' is to be ignored but is no column"):
        prepare_log(config_for(tmp_path, small_log(), ignore_columns=("item_colour",)), 0, tmp_path / "input")


def test_a_file_beside_the_log_is_part_of_its_fingerprint(tmp_path):
    (tmp_path / "rank.train").write_text("1 1:0.5\n0 1:1\n" * 20)
    config = DataConfig(path=tmp_path / "rank.train", format="lightgbm", evaluation_share=0.5)
    fingerprints = set()
    for sizes in ("2\n" * 20, "4\n" * 10):
        (tmp_path / "rank.train.query").write_text(sizes)
        fingerprints.add(prepare_log(config, 0, tmp_path / "input").fingerprint)
    assert len(fingerprints) == 2


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**70), ids=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=30))
def test_the_split_hash_depends_on_seed_and_identifier_alone(seed, ids):
    values = identifier_hash(np.array(ids, object), seed)
    assert ((values >= 0) & (values <= 1)).all()
    for index, identifier in enumerate(ids):
        assert identifier_hash(np.array([identifier], object), seed)[0] == values[index]
