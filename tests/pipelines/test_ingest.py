"""From a log on disk to the pipeline's input."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines.config import DataConfig
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
