"""LETOR and LightGBM ranking files."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.click_log import validate
from pipelines.readers import read_log
from pipelines.readers.read_logs import concatenate
from seriatim_errors import DataError

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


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(0, 3),
            st.dictionaries(st.integers(1, 6), st.floats(-1e5, 1e5, width=32), max_size=6),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_sparse_rows_of_any_kind_are_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("letor") / "rows.txt"
    lines = (
        f"{grade} qid:{query} " + " ".join(f"{index}:{value!r}" for index, value in sorted(features.items()))
        for grade, query, features in rows
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    validated = validate(read_log([path])[0].table)
    assert validated.reasons == {}
    assert validated.clean["grade"].to_pylist() == [grade for grade, _, _ in rows]
    for name in validated.columns.names:
        expected = [features.get(int(name.removeprefix("feature_")), 0.0) for _, _, features in rows]
        np.testing.assert_allclose(validated.clean[name].to_numpy(), np.float32(expected), rtol=1e-6)


def test_positions_count_on_where_a_query_comes_back(tmp_path):
    path = tmp_path / "part.txt"
    path.write_text("1 qid:1 1:1\n0 qid:2 1:1\n0 qid:1 1:2\n")
    assert read_log([path])[0].table["position"].to_pylist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("line", "log_format"),
    [
        ("1 qid:1 1:x", "letor"),
        ("good qid:1 1:2", "letor"),
        ("1 qid:one 1:2", "letor"),
        ("1 qid:1 2:1 1:1", "letor"),
        ("1 qid:1 0:1", "letor"),
        ("1 1:", "lightgbm"),
    ],
)
def test_the_first_line_that_is_not_svmlight_is_named(tmp_path, line, log_format):
    good = "1 qid:1 1:0.5 # fine\n" if log_format == "letor" else "1 1:0.5\n"
    (tmp_path / "good.txt").write_text(good)
    (tmp_path / "bad.txt").write_text(f"# a comment\n{good}{line}\n{good}")
    with pytest.raises(DataError, match=r"bad\.txt, line 3: '.*' is not 'grade"):
        read_log([tmp_path / "good.txt", tmp_path / "bad.txt"], log_format)


def test_a_value_that_is_nan_sets_its_row_aside(tmp_path):
    path = tmp_path / "part.txt"
    path.write_text("1 qid:1 1:nan\n0 qid:1 1:2\n")
    assert validate(read_log([path])[0].table).reasons == {"feature_1 is not finite": 1}


def test_lightgbm_features_keep_their_index_whether_counted_from_zero_or_one(tmp_path):
    for name, text in (("zero.txt", "1 0:5 2:7\n"), ("one.txt", "1 1:6 2:7\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.query").write_text("1\n")
    names = [
        [name for name in read_log([tmp_path / file], "lightgbm")[0].table.column_names if "feature" in name]
        for file in ("zero.txt", "one.txt")
    ]
    assert names == [["feature_0", "feature_1", "feature_2"], ["feature_1", "feature_2"]]
    both = read_log([tmp_path / "zero.txt", tmp_path / "one.txt"], "lightgbm")
    assert both[1].table["feature_0"].to_pylist() == [0.0]


def test_a_query_file_of_other_than_numbers_is_refused(tmp_path):
    (tmp_path / "rank.train").write_text("1 1:1\n")
    (tmp_path / "rank.train.query").write_text("one\n")
    with pytest.raises(DataError, match=r"rank\.train\.query holds more than whole numbers"):
        read_log([tmp_path / "rank.train"], "lightgbm")


@pytest.mark.real_data
def test_mq2008_reads_to_its_published_size(public_data):
    logs = read_log([public_data / "mq2008" / f"S{part}.txt.gz" for part in (1, 2, 3)], "letor")
    table = concatenate(logs).table
    assert len(table) == 9630
    assert len(set(table["request_id"].to_pylist())) == 471
    assert validate(table).reasons == {}


@pytest.mark.real_data
def test_the_lightgbm_example_reads_to_its_published_size(public_data):
    folder = public_data / "lightgbm_lambdarank"
    logs = read_log([folder / "rank.train.gz", folder / "rank.test.gz"], "lightgbm")
    assert [len(log.table) for log in logs] == [3005, 768]
    assert [len(set(log.table["request_id"].to_pylist())) for log in logs] == [201, 50]
    validated = validate(concatenate(logs).table)
    assert validated.reasons == {}
    # LightGBM counts 301: its indices start at 0, which no row of these files uses.
    assert validated.columns.names == tuple(f"feature_{index}" for index in range(1, 301))
    assert max(validated.clean["grade"].to_pylist()) == 4
