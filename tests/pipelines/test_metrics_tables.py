"""Metrics as tables: every value of the file is in one, whatever parts the file has, in Parquet and in pandas."""

import itertools
import json
import subprocess
import sys
import types
import typing
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from pipelines.report import load_metrics
from pipelines.report.metrics_file import Metrics, RunSummary
from pipelines.report.metrics_parquet import write_tables
from pipelines.report.metrics_schema import schema_of
from pipelines.report.metrics_tables import metrics_tables, table_columns, tables_of
from seriatim_errors import DataError
from tests.pipelines.made_up_metrics import make_metrics
from tests.pipelines.made_up_runs import make_run

ROOT = Path(__file__).resolve().parents[2]

DTYPES = {"string": "string", "int64": "Int64", "float64": "float64", "boolean": "boolean"}


def sample(kind, fresh):
    """JSON for a type in which no number and no text occurs twice; lists and mappings hold two entries."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return sample(arguments[0], fresh)
    if origin in (typing.Union, types.UnionType):
        return sample(next(one for one in arguments if one is not type(None)), fresh)
    if origin is typing.Literal:
        return f"literal {next(fresh)}" if isinstance(arguments[0], str) else next(fresh)
    if origin is tuple:
        members = [arguments[0]] * 2 if Ellipsis in arguments else arguments
        return [sample(one, fresh) for one in members]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: sample(field.annotation, fresh) for name, field in kind.model_fields.items()}
    if origin is not None:
        return {f"key {next(fresh)}": sample(arguments[1], fresh) for _ in range(2)}
    return {str: lambda: f"text {next(fresh)}", int: lambda: next(fresh), float: lambda: next(fresh) + 0.5,
            bool: lambda: True}[kind]()  # fmt: skip


def leaves(values):
    """Every value in JSON that is neither null nor a container, and every key that a mapping chose."""
    if isinstance(values, dict):
        for key, inside in values.items():
            yield from [key] if key.startswith("key ") else []
            yield from leaves(inside)
    elif isinstance(values, list):
        for inside in values:
            yield from leaves(inside)
    elif values is not None:
        yield values


def cells(tables):
    return [value for table in tables.values() for row in table.rows for value in row.values() if value is not None]


def test_every_value_of_every_part_of_the_schema_is_in_a_table():
    values = sample(Metrics, itertools.count(1000))
    found = cells(tables_of(schema_of(Metrics), values))
    assert len(values["slices"]["rows"]) == 2
    missing = [leaf for leaf in leaves(values) if leaf not in found]
    assert not missing
    assert {type(value) for value in found} == {str, int, float, bool}


def test_tables_hold_nothing_that_the_file_does_not():
    values = sample(Metrics, itertools.count(1000))
    added = [cell for cell in cells(tables_of(schema_of(Metrics), values)) if cell not in list(leaves(values))]
    assert set(added) <= {1, 2}, "rows of a history are numbered"


def test_values_stand_in_the_row_that_they_belong_to():
    tables = metrics_tables(make_metrics())
    assert tables["policies"].rows[3] == {
        "policy": "served", "title": make_metrics().policies[1].title, "labels": "clicks", "metric": "ndcg_at_10",
        "value": 0.5222, "low": 0.5222 - 0.0123, "high": 0.5222 + 0.0234, "count": 1234,
    }  # fmt: skip
    row = make_metrics().slices.rows[1]
    laid_out = [one for one in tables["slices_rows"].rows if one["value"] == "0" and one["metric"] == "map"]
    assert [(one["served_value"], one["differences_low"]) for one in laid_out] == [
        (row.served["map"].value, row.differences["map"].low)
    ]
    assert tables["labeller_planted_edges"].rows[0] == {"value_1": "handmade", "value_2": "vintage"}
    assert {"stage": "seq2slate", "row": 2, "step": 2.0, "column": "loss", "value": 3.1222} in tables["training"].rows


def test_a_part_that_is_absent_has_empty_tables_with_the_same_columns():
    full, bare = metrics_tables(make_metrics()), metrics_tables(make_metrics(gate=None, slices=None, policies=()))
    assert {name: table.columns for name, table in full.items()} == {
        name: table.columns for name, table in bare.items()
    }
    assert {name: table.columns for name, table in full.items()} == table_columns()
    for name in ("gate", "slices", "slices_rows", "policies"):
        assert bare[name].rows == []
        assert full[name].rows


@pytest.fixture
def written(tmp_path):
    metrics = make_metrics(gate=None)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "of_another_release.parquet").touch()
    return metrics, write_tables(metrics, tmp_path)


def test_parquet_holds_the_tables_with_the_same_types_for_every_run(written):
    metrics, folder = written
    tables = metrics_tables(metrics)
    assert {path.name for path in folder.iterdir()} == {f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        read = pq.read_table(folder / f"{name}.parquet")
        assert {field.name: str(field.type).replace("double", "float64").replace("bool", "boolean")
                for field in read.schema} == table.columns  # fmt: skip
        assert read.to_pylist() == [{column: row.get(column) for column in table.columns} for row in table.rows]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "metrics").touch()
    with pytest.raises(DataError, match="make the run's folder writable"):
        write_tables(make_metrics(), tmp_path)


def test_many_runs_are_read_into_one_frame_a_table_the_run_first(tmp_path):
    make_run(tmp_path / "runs", "new")
    make_run(tmp_path / "runs", "old", gate=None, policies=make_metrics().policies[:1])
    other = make_run(tmp_path / "other", "new")
    frames = load_metrics("old", tmp_path / "runs" / "new" / "metrics.json", other, folder=tmp_path / "runs")
    runs = ["old", str(tmp_path / "runs" / "new"), str(other)]
    assert frames["policies"].groupby("run", sort=False).size().to_dict() == dict(zip(runs, (3, 12, 12), strict=True))
    assert frames["gate"]["run"].tolist() == runs[1:]
    for name, columns in table_columns().items():
        assert frames[name].columns.tolist() == ["run", *columns]
        assert frames[name].dtypes.astype(str).tolist() == ["string", *(DTYPES[kind] for kind in columns.values())]


def test_one_run_is_the_newest_unless_it_is_named_and_what_is_not_there_is_refused(tmp_path):
    make_run(tmp_path, "one", policies=())
    frames = load_metrics(folder=tmp_path)
    assert frames["run"]["run"].tolist() == ["one"]
    assert frames["policies"].empty
    assert str(frames["policies"]["value"].dtype) == "float64"
    with pytest.raises(DataError, match=r"run 'two' has no metrics.json"):
        load_metrics("two", folder=tmp_path)
    with pytest.raises(DataError, match=r"is named twice .*; name each run once"):
        load_metrics("one", tmp_path / "one", folder=tmp_path)


def test_frames_hold_what_parquet_holds(written, tmp_path):
    metrics, folder = written
    metrics.save(tmp_path / "metrics.json")
    for name, frame in load_metrics(tmp_path).items():
        read = pq.read_table(folder / f"{name}.parquet").to_pandas().astype(frame.dtypes.drop("run"))
        pd.testing.assert_frame_equal(frame.drop(columns="run"), read)


def test_importing_the_package_loads_nothing_but_the_standard_library():
    program = "import sys, pipelines.report; print({'pandas', 'pydantic', 'numpy', 'pyarrow'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == "set()\n"


def test_the_page_on_metrics_documents_every_table_and_column():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = [f"| `{name}` | {', '.join(f'`{column}`' for column in columns)} |" for name, columns in
             table_columns().items()]  # fmt: skip
    missing = [line for line in lines if line not in page]
    assert not missing, "add to the list of tables in docs/metrics.md:\n" + "\n".join(missing)


def test_no_column_is_called_as_the_run_s_own():
    assert not [name for name, columns in table_columns().items() if "run" in columns]


# Schemas of every kind that a later part may have, by the names of their fields.
PLAIN = st.sampled_from([str, int, float, bool, float | None, typing.Literal["a", "b"], int | float, str | int])


def nested(inner):
    names = st.sampled_from(["value", "count", "metric", "key", "row", "first", "rows"])
    records = st.dictionaries(names, inner, min_size=1, max_size=4).map(
        lambda fields: create_model("Made", **{name: (kind, ...) for name, kind in fields.items()})
    )
    wrap = st.sampled_from([lambda kind: tuple[kind, ...], lambda kind: dict[str, kind], lambda kind: tuple[kind, int]])
    return st.one_of(records, st.tuples(wrap, inner).map(lambda made: made[0](made[1])))


@given(kind=st.recursive(PLAIN, nested, max_leaves=12))
def test_no_value_is_lost_whatever_a_part_is_made_of(kind):
    model = create_model("Outer", part=(kind, ...), plain=(str, ...))
    values = sample(model, itertools.count(1000))
    values = json.loads(json.dumps(values))
    found = cells(tables_of(schema_of(model), values))
    read = [json.loads(cell) if isinstance(cell, str) and cell.isdigit() else cell for cell in found]
    assert not [leaf for leaf in leaves(values) if leaf not in read]


def test_a_type_that_fits_no_table_is_refused():
    with pytest.raises(TypeError, match="has no place in a table"):
        schema_of(Path)
    with pytest.raises(TypeError, match="cannot be both"):
        schema_of(str | RunSummary)
