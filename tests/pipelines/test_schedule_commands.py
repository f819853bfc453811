"""`seriatim schedule` as a person uses it, with a real scheduler process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.commands.schedule import schedule
from pipelines.run_lock import FolderBusyError
from pipelines.scheduling.history import ask_for_run, begin_attempt, finish_run, history
from pipelines.scheduling.schedule_store import the_schedule
from seriatim_errors import ConfigError, SeriatimError
from tests.pipelines.planted_schedules import NOON, planted

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "name: p\ndata: {path: nowhere.csv}\n"


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with a configuration whose data are absent, as current folder."""
    (tmp_path / "p.yaml").write_text(CONFIG)
    (tmp_path / "schedules").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(*arguments):
    """What a command prints; a user's mistake is raised."""
    answer = CliRunner().invoke(schedule, [str(argument) for argument in arguments])
    if isinstance(answer.exception, SeriatimError):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_a_schedule_is_added_listed_paused_resumed_and_removed(there):
    said = given(
        "add", "daily", "--config", "p.yaml", "--cron", "0 3 * * *", "--set", "gate.epochs=2", "--backoff", "5m"
    )
    assert said.startswith("daily: pipeline p, next at ")
    assert said.endswith(" 03:00:00 UTC\n")
    kept = the_schedule(there / "schedules", "daily").schedule
    assert (kept.config, kept.folder, kept.overrides) == (there / "p.yaml", there, {"gate.epochs": 2})
    assert (kept.backoff, kept.missed, kept.keep_runs) == (300, "once", None)
    assert "waits for data in" in given("add", "fresh", "--config", "p.yaml", "--on-data", "incoming")
    listed = given("list")
    assert all(part in listed for part in ("daily", "fresh", "0 3 * * *"))
    assert given("pause", "daily") == "daily: paused\n"
    assert "paused" in given("list")
    assert "next at" in given("resume", "daily")
    assert given("remove", "daily") == "daily: removed\n"
    assert given("remove", "fresh") == "fresh: removed\n"
    assert "no schedules under" in given("list")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cron", "0 3 * *"], "has 4 fields"),
        (["--every", "soon"], "'soon' is no duration"),
        (["--every", "0.1s"], "every: Input should be greater than or equal to 1"),
        ([], "exactly one of cron, every and on_data"),
        (["--every", "1h", "--cron", "* * * * *"], "exactly one of cron, every and on_data"),
        (["--every", "1h", "--on-failure-webhook", "ftp://x"], "webhook: String should match pattern"),
        (["--every", "1h", "--set", "gait.epochs=1"], "gait: unknown key"),
        (["--every", "1h", "--config", "absent.yaml"], "absent.yaml: No such file"),
    ],
)
def test_a_wrong_schedule_is_refused_when_it_is_added(there, options, message):
    with pytest.raises(ConfigError, match=message):
        given("add", "daily", "--config", "p.yaml", *options)
    assert "no schedules" in given("list")


def test_commands_on_what_is_not_there_say_so(there):
    for command in ("pause", "resume", "remove", "run-now", "prune"):
        with pytest.raises(ConfigError, match="no schedule 'x'"):
            given(command, "x")
    with pytest.raises(ConfigError, match="schedule 'x' has no run"):
        given("logs", "x")
    assert CliRunner().invoke(schedule, ["add", "x", "--config", "p.yaml", "--set", "nonsense"]).exit_code == 2


def test_history_and_logs_show_a_run(tmp_path):
    home = planted(tmp_path)
    run = begin_attempt(home, ask_for_run(home, "daily", "hand", NOON), NOON)
    (home / run.log).parent.mkdir(parents=True)
    (home / run.log).write_text("said this\n")
    finish_run(home, run.id, "failed", NOON + 62, 3, "no rows")
    assert given("logs", "daily", "--home", home, "--follow") == "said this\n"
    shown = given("history", "--home", home)
    assert "2026" in shown
    told = json.loads(given("history", "daily", "--home", home, "--json"))
    assert (told["state"], told["reason"], told["ended"] - told["started"]) == ("failed", "no rows", 62)
    with pytest.raises(ConfigError, match="has no run 7"):
        given("logs", "daily", "--home", home, "--run", "7")


def start(home, *options):
    command = [sys.executable, "-m", "seriatim", "schedule", "start", "--home", str(home), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_real_scheduler_runs_what_is_asked_for_and_a_second_one_is_refused(there):
    """The pipeline's data are absent, so the run fails as soon as it has read its configuration."""
    given("add", "daily", "--config", "p.yaml", "--every", "1d", "--retries", "1", "--backoff", "0s")
    home = there / "schedules"
    scheduler = start(home)
    with scheduler:
        assert "the scheduler runs on" in scheduler.stderr.readline()
        with start(home) as second:
            assert f"is in use by process {scheduler.pid}" in second.stderr.read()
        assert second.returncode == FolderBusyError.exit_code
        given("run-now", "daily")
        said = ""
        while "failed: " not in said:
            said = scheduler.stderr.readline()
            assert said, "it ended too soon"
        scheduler.send_signal(signal.SIGTERM)
        assert "the scheduler has ended" in scheduler.stderr.read()
    assert scheduler.returncode == 0
    [run] = history(home)
    assert (run.state, run.attempts, run.exit_code) == ("failed", 2, 3)
    assert run.reason.startswith("data.path nowhere.csv does not exist")
    assert given("logs", "daily").count("error: data.path nowhere.csv") == 2


def test_the_scheduler_loads_neither_tfx_nor_tensorflow():
    program = "import sys, pipelines.scheduling.scheduler; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "apscheduler" in loaded.stdout.split()
    assert not {"tfx", "tensorflow", "ml_metadata", "pandas", "numpy"} & set(loaded.stdout.split())


def test_a_scheduler_that_works_until_idle_ends_by_itself(there):
    given("add", "daily", "--config", "p.yaml", "--every", "1d", "--retries", "0")
    given("run-now", "daily")
    with start(there / "schedules", "--until-idle") as scheduler:
        assert "the scheduler has ended" in scheduler.stderr.read()
    assert history(there / "schedules")[0].state == "failed"
