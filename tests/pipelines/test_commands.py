"""`seriatim validate`, `simulate` and `run` as a person meets them when something is wrong."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from pipelines.checked_logs import spooled_files
from pipelines.commands.run import catalogue_is_simulated
from pipelines.commands.simulate import simulate
from pipelines.commands.validate import validate
from pipelines.config import PipelineConfig
from pipelines.locations import Location
from pipelines.run_lock import FolderBusyError, only_process_in
from seriatim_errors import DataError
from tests.pipelines.logs import small_log, with_value


def seriatim(*arguments, cwd=None):
    command = [sys.executable, "-m", "seriatim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def written(tmp_path, table):
    pa.parquet.write_table(table, tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


def test_validate_accepts_a_good_log_and_shows_its_features(tmp_path):
    answer = seriatim("validate", written(tmp_path, small_log()))
    assert answer.returncode == 0, answer.stderr
    assert "accepted: 12 of 12 rows" in answer.stdout
    assert "item_price" in answer.stdout


def test_validate_refuses_too_many_bad_rows_and_keeps_them(tmp_path):
    log = written(tmp_path, with_value(small_log(), "clicked", 3, 7))
    answer = seriatim("validate", log, "--quarantine", tmp_path / "bad")
    assert answer.returncode == 3
    assert "clicked is not 0 or 1" in answer.stdout
    assert "1 of 12 rows are bad (8.3%)" in answer.stderr
    assert len(pa.parquet.read_table(tmp_path / "bad" / "quarantine.parquet")) == 1
    assert seriatim("validate", log, "--max-bad-share", "0.2").returncode == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": None}, "column 'position' is missing"),
        ({"item_price": ["x"] * 12}, "column 'item_price' holds string such as 'x'"),
        ({"position": [-1] * 12}, "12 of 12 rows are bad"),
        ({"clicked": [3] * 12}, "12 of 12 rows are bad"),
    ],
)
def test_a_bad_log_ends_with_one_line_and_status_3(tmp_path, change, message):
    answer = seriatim("validate", written(tmp_path, small_log(**change)))
    assert answer.returncode == 3
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_empty_and_an_absent_file_are_named(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name, message in (("empty.csv", "is empty"), ("absent.csv", "does not exist")):
        answer = seriatim("validate", tmp_path / name)
        assert answer.returncode == 3
        assert message in answer.stderr


def in_process(command, *arguments):
    """The command without a new interpreter; what a person would see as one line is the result's exception."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_validate_leaves_out_columns_that_are_no_features(tmp_path):
    log = written(tmp_path, small_log(item_colour=["red"] * 12))
    refused = in_process(validate, log)
    assert isinstance(refused.exception, DataError)
    assert "--ignore-column" in str(refused.exception)
    accepted = in_process(validate, log, "--ignore-column", "item_colour")
    assert accepted.exit_code == 0, accepted.output
    assert "item_colour" not in accepted.output
    mistyped = in_process(validate, log, "--ignore-column", "item_color")
    assert "'item_color' is to be ignored but is no column" in str(mistyped.exception)


def test_validate_counts_malformed_lines_and_keeps_their_text(tmp_path):
    path = tmp_path / "log.csv"
    pa.csv.write_csv(small_log(), path)
    path.write_text(path.read_text() + "torn\n")
    answer = in_process(validate, path, "--quarantine", tmp_path / "bad", "--max-bad-share", 0.1)
    assert answer.exit_code == 0, answer.output
    assert "the line is malformed" in answer.output
    assert "accepted: 12 of 13 rows" in answer.output
    [line] = pa.parquet.read_table(tmp_path / "bad" / "malformed.parquet").to_pylist()
    assert (line["line"], line["text"]) == (14, "torn")
    assert not (tmp_path / "bad" / "quarantine.parquet").exists()


def test_validate_says_the_same_of_a_log_in_many_buckets(tmp_path, monkeypatch):
    log = written(tmp_path, with_value(small_log(requests=400), "clicked", 3, 7))
    whole = in_process(validate, log)
    monkeypatch.setattr(spooled_files, "BUCKET_BYTES", 4_000)
    spread = in_process(validate, log)
    assert whole.exit_code == spread.exit_code == 0, spread.output
    assert "accepted: 1199 of 1200 rows" in whole.output
    assert spread.output == whole.output


def test_a_second_validation_replaces_the_quarantine_of_the_first(tmp_path):
    bad = tmp_path / "bad"
    log = written(tmp_path, with_value(small_log(), "clicked", 3, 7))
    assert in_process(validate, log, "--quarantine", bad, "--max-bad-share", 1).exit_code == 0
    csv = tmp_path / "log.csv"
    pa.csv.write_csv(small_log(), csv)
    csv.write_text(csv.read_text() + "torn\n")
    assert in_process(validate, csv, "--quarantine", bad, "--max-bad-share", 1).exit_code == 0
    assert [path.name for path in bad.iterdir()] == ["malformed.parquet"]


def test_places_that_cannot_be_written_are_named(tmp_path):
    log = written(tmp_path, with_value(small_log(), "clicked", 3, 7))
    quarantine = in_process(validate, log, "--quarantine", log)
    assert isinstance(quarantine.exception, DataError)
    assert "cannot be written: File exists" in str(quarantine.exception)
    simulated = in_process(simulate, "--out", log, "--requests", 10)
    assert isinstance(simulated.exception, DataError)
    assert "cannot hold a simulated log: File exists" in str(simulated.exception)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "log_format", "rows"),
    [
        ("mq2008/S4.txt.gz", "auto", 2707),
        ("lightgbm_lambdarank/rank.test.gz", "lightgbm", 768),
        ("open_bandit/bts/women", "open_bandit", 10_000),
    ],
)
def test_validate_accepts_the_public_data_sets(public_data, path, log_format, rows):
    answer = in_process(validate, public_data / path, "--format", log_format)
    assert answer.exit_code == 0, answer.output
    assert f"accepted: {rows} of {rows} rows" in answer.output


def test_simulate_writes_the_same_log_for_the_same_seed(tmp_path):
    for name in ("one", "two"):
        answer = seriatim("simulate", "--out", tmp_path / name, "--requests", 20, "--seed", 4)
        assert answer.returncode == 0, answer.stderr
    assert "20 requests" in answer.stdout
    assert (tmp_path / "one" / "clicks.parquet").read_bytes() == (tmp_path / "two" / "clicks.parquet").read_bytes()


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("name: demo\ndata: {path: log.parquet}\ngait: 1\n", 4, "line 3: gait: unknown key"),
        ("name: demo\ndata: {path: nowhere.csv}\n", 3, "data.path nowhere.csv does not exist"),
        ("name: demo\ndata: {path: log.parquet}\n", 3, "1 of 12 rows are bad"),
        ("name: demo\ndata: {path: mine.csv, simulate: {requests: 10}}\n", 3, "makes a log named clicks.parquet"),
        (
            "name: demo\ndata: {path: log.parquet, max_bad_share: 0.5, evaluation_share: 0.5}\ngate: {label: grade}\n",
            3,
            "gate.label is 'grade' but the click log has no column 'grade'",
        ),
        ("name: demo\ndata: {path: log.parquet}\nlabeller: {}\n", 4, "labeller needs data.items"),
        (
            "name: demo\nlabeller: {}\n"
            "data: {path: log.parquet, max_bad_share: 0.5, evaluation_share: 0.5, items: none.csv}\n",
            3,
            "data.items none.csv does not exist",
        ),
    ],
)
def test_run_ends_before_loading_tfx_when_config_or_data_are_wrong(tmp_path, text, status, message):
    written(tmp_path, with_value(small_log(), "position", 2, -4))
    (tmp_path / "config.yaml").write_text(text)
    answer = seriatim("run", "--config", "config.yaml", cwd=tmp_path)
    assert answer.returncode == status
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "loading TFX" not in answer.stdout


def test_a_log_that_is_named_on_the_command_line_is_never_simulated(tmp_path):
    (tmp_path / "config.yaml").write_text("name: demo\ndata: {path: clicks.csv, simulate: {requests: 10}}\n")
    absent = tmp_path / "typo" / "clicks.parquet"
    answer = seriatim("run", "--config", "config.yaml", "--data", absent, cwd=tmp_path)
    assert answer.returncode == 3
    assert f"data.path {absent} does not exist" in answer.stderr
    assert not absent.parent.exists()


def test_values_on_the_command_line_stand_in_for_the_configs(tmp_path):
    (tmp_path / "config.yaml").write_text("name: demo\ndata: {path: clicks.csv}\n")
    answer = seriatim(
        "run",
        "--config",
        tmp_path / "config.yaml",
        "--set",
        f"data.path={tmp_path}/other.csv",
        "--set",
        f"run_root={tmp_path}",
    )
    assert answer.returncode == 3
    assert f"data.path {tmp_path}/other.csv does not exist" in answer.stderr


def test_a_second_run_in_a_folder_names_the_process_that_is_there(tmp_path):
    (tmp_path / "config.yaml").write_text("name: demo\ndata: {path: clicks.csv}\n")
    with only_process_in(tmp_path / "runs" / "demo", "run folder"):
        answer = seriatim("run", "--config", tmp_path / "config.yaml", "--set", f"run_root={tmp_path}/runs")
    assert answer.returncode == FolderBusyError.exit_code
    assert answer.stderr.count("\n") == 1
    assert f"is in use by process {os.getpid()}; wait" in answer.stderr


SIMULATED = """
name: demo
data: {path: clicks.parquet, items: items.parquet, max_bad_share: 0.5, evaluation_share: 0.5, simulate: {requests: 10}}
labeller: {}
"""
NO_LABELLER = "no labels, no images: the config's catalogue is of the simulated log; name this log's with --items"


def test_a_catalogue_of_the_simulated_log_is_not_taken_for_one_of_another_log(tmp_path):
    (tmp_path / "config.yaml").write_text(SIMULATED)
    without = seriatim("run", "--config", "config.yaml", "--data", "mine.csv", cwd=tmp_path)
    assert NO_LABELLER in without.stdout
    assert "data.path mine.csv does not exist" in without.stderr
    log = written(tmp_path, with_value(small_log(requests=12), "position", 2, -4))
    named = seriatim("run", "--config", "config.yaml", "--data", log, "--items", "own.csv", cwd=tmp_path)
    assert NO_LABELLER not in named.stdout
    assert named.returncode == 3
    assert "data.items own.csv does not exist" in named.stderr


@pytest.mark.parametrize(
    ("labeller", "simulate", "data", "made"),
    [
        ({}, {}, "mine.csv", True),
        ({}, {}, "data/../clicks.parquet", False),
        (None, {}, "mine.csv", False),
        ({}, None, "mine.csv", False),
    ],
)
def test_a_catalogue_is_simulated_where_the_configured_log_is_and_another_is_given(labeller, simulate, data, made):
    source = {"path": "clicks.parquet", "items": "items.parquet", "simulate": simulate}
    config = PipelineConfig(name="demo", data=source, labeller=labeller)
    assert catalogue_is_simulated(config, Location(data)) is made
