"""Days on the command line: validate, run --span, backfill and schedules of a log that grows."""

import pytest
from click.testing import CliRunner

from pipelines import backfill as backfill_module
from pipelines.backfill import BackfilledDay
from pipelines.commands.backfill import backfill
from pipelines.commands.run import run
from pipelines.commands.schedule import schedule
from pipelines.commands.validate import validate
from pipelines.report.metrics_file import DataSummary, RunSummary
from pipelines.report.span_metrics import SpanOfRun, SpansOfRun
from pipelines.report.start_metrics import StageStart
from pipelines.report.summary import print_summary
from pipelines.scheduling.child import run_command
from pipelines.scheduling.schedule_store import the_schedule
from seriatim_errors import ConfigError, DataError, PipelineError
from tests.pipelines.daily_logs import day, day_log, write_day
from tests.pipelines.logs import with_value
from tests.pipelines.made_up_metrics import make_metrics


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Three days of a log and a configuration, in the current folder."""
    for number in range(3):
        write_day(tmp_path, number)
    (tmp_path / "daily.yaml").write_text("name: daily\ndata: {path: 'logs/{date}/log.parquet', spans: {window: 2}}\n")
    (tmp_path / "plain.yaml").write_text("name: plain\ndata: {path: log.csv}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(command, *arguments):
    """What a command prints; a user's mistake is raised."""
    answer = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(answer.exception, Exception):
        raise answer.exception
    return answer.output


def test_validate_checks_the_newest_day_or_a_window(there):
    write_day(there, 2, with_value(day_log(2), "clicked", 7, 5))
    newest = told(validate, "logs/{date}/log.parquet", "--max-bad-share", 0.1, "--quarantine", "bad")
    assert "days 2026-01-03 to 2026-01-03 (1 day to train on)" in newest
    assert "accepted: 59 of 60 rows" in newest
    assert "bad rows are in bad" in newest
    assert "accepted: 119 of 120 rows" in told(validate, "logs/{date}/log.parquet", "--window", 2)
    named = told(validate, "logs/{date}/log.parquet", "--window", 2, "--span", "2026-01-02")
    assert "accepted: 120 of 120 rows" in named


def test_validate_passes_over_names_that_are_no_days_and_tells_of_them(there):
    write_day(there, 3, name="yesterday")
    answer = told(validate, "logs/{date}/log.parquet")
    assert "passed over, for a date such as 2026-01-07" in answer
    assert "should stand there: logs/yesterday\n" in answer


@pytest.mark.parametrize(
    ("log", "options", "error", "message"),
    [
        ("logs/{date}/log.parquet", ["--span", "2027-01-01"], DataError, "2027-01-01: .* has no such day"),
        ("logs/{date}/log.parquet", ["--span", "soon"], ConfigError, "spans.last: Input should be a valid date"),
        ("logs/2026-01-01/log.parquet", ["--window", "2"], ConfigError, r"spans needs \{date\} in path"),
    ],
)
def test_validate_names_what_is_wrong_with_a_window(there, log, options, error, message):
    with pytest.raises(error, match=message):
        told(validate, log, *options)


def test_run_takes_the_last_day_from_the_command_line(there):
    with pytest.raises(DataError, match=r"last 2026-03-01: logs/\{date\}/log.parquet has no such day"):
        told(run, "--config", "daily.yaml", "--span", "2026-03-01")
    with pytest.raises(ConfigError, match=r"spans needs \{date\} in path"):
        told(run, "--config", "plain.yaml", "--span", "2026-01-01")


def test_a_schedule_runs_the_window_that_ends_with_the_newest_day(there):
    said = told(schedule, "add", "nightly", "--config", "daily.yaml", "--cron", "30 1 * * *", "--keep-runs", 10)
    assert said.startswith("nightly: pipeline daily, next at ")
    assert "waits for data" in told(schedule, "add", "on-arrival", "--config", "daily.yaml", "--on-data", "logs")
    command = run_command(the_schedule(there / "schedules", "nightly").schedule)
    assert command[2:] == ["seriatim", "run", "--config", str(there / "daily.yaml")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "plain.yaml"], r"data\.spans: is missing"),
        (["--config", "daily.yaml", "--every", "12h"], "12h: is no number of whole days"),
        (["--config", "daily.yaml", "--to", "2025-12-01"], "is after --to"),
    ],
)
def test_backfill_refuses_what_it_cannot_run(there, options, message):
    with pytest.raises(ConfigError, match=message):
        told(backfill, "--from", "2026-01-01", "--to", "2026-01-02", *options)


def test_backfill_ends_with_a_table_of_days_and_a_status_that_tells_of_failures(there, monkeypatch):
    metrics = make_metrics()
    days = [BackfilledDay(day(0), metrics, True, ""), BackfilledDay(day(1), None, False, "no such day")]
    monkeypatch.setattr(backfill_module, "backfill", lambda *given: iter(days))
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(
        backfill, ["--config", "daily.yaml", "--from", "2026-01-01", "--to", "2026-01-03"]
    )
    assert isinstance(answer.exception, PipelineError)
    assert str(answer.exception).startswith("1 of 3 days failed, first 2026-01-02, and 1 were not run; --keep-going")
    assert "day 2026-01-02 failed: no such day" in answer.output
    [first] = [line for line in answer.output.splitlines() if "2026-01-01" in line]
    assert "530,865" in first
    assert metrics.run.bundle_version in first


def test_the_terminal_tells_of_days_and_where_training_started(capsys, tmp_path):
    summary = make_metrics().data.model_dump()
    spans = SpansOfRun(first="2026-01-01", last="2026-01-02", days=(SpanOfRun(day="2026-01-01", version=3),))
    metrics = make_metrics(
        data=DataSummary(**{**summary, "spans": spans}),
        starts={"gate": StageStart(version="20260101T000000Z-ab"), "seq2slate": StageStart(reason="it is the first")},
    )
    assert isinstance(metrics.run, RunSummary)
    print_summary(metrics, tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "days: 2026-01-01 to 2026-01-02 (1 day to train on; later versions: 2026-01-01 v3)" in shown
    assert "gate: started from 20260101T000000Z-ab" in shown
    assert "seq2slate: started from scratch: it is the first" in shown
