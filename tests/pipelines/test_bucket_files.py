"""Tables that grow on disk."""

import pyarrow as pa
import pytest

from pipelines.checked_logs import bucket_files
from pipelines.checked_logs.bucket_files import BucketFiles


@pytest.mark.parametrize("most_open", [1, 2, 100])
def test_pieces_come_back_in_order_however_few_files_may_be_open(tmp_path, monkeypatch, most_open):
    monkeypatch.setattr(bucket_files, "MOST_OPEN", most_open)
    files = BucketFiles(tmp_path / "rows")
    for number in range(30):
        files.append(number % 3, pa.table({"value": [number, -number], "name": ["a", None]}))
    files.close()
    assert files.names() == [0, 1, 2]
    for key in range(3):
        expected = [sign * number for number in range(key, 30, 3) for sign in (1, -1)]
        assert pa.concat_tables(files.pieces(key))["value"].to_pylist() == expected


def test_what_is_dropped_is_gone_and_may_begin_anew(tmp_path):
    files = BucketFiles(tmp_path / "rows")
    files.append((1, 2), pa.table({"value": [1]}))
    files.drop((1, 2))
    files.drop("never there")
    assert list(files.pieces((1, 2))) == []
    files.append((1, 2), pa.table({"other": ["x"]}))
    files.close()
    assert [piece.to_pydict() for piece in files.pieces((1, 2))] == [{"other": ["x"]}]
