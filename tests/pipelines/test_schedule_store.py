"""What the database keeps: schedules, runs that wait, and times that were missed."""

import sqlite3
import threading
import time
from datetime import datetime, timezone

import pytest
from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.schedulers.background import BackgroundScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.scheduling.database import DATABASE_FILE, ChangeWatch
from pipelines.scheduling.history import (
    ask_for_run,
    begin_attempt,
    died_and_resumed,
    find_run,
    finish_run,
    forget_old,
    history,
    note_skipped,
    runs_in,
    startable,
    wait_again,
)
from pipelines.scheduling.job_store import GRACE_SECONDS, DueTimeExecutor, ScheduleJobStore, when_due
from pipelines.scheduling.schedule_store import (
    add_schedule,
    all_schedules,
    find_schedule,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    set_next_run,
    the_schedule,
)
from seriatim_errors import ConfigError, PipelineError
from tests.pipelines.planted_schedules import NOON, planted, schedule


def test_schedules_are_kept_paused_resumed_and_removed(tmp_path):
    home = planted(tmp_path, overrides={"gate.epochs": 3})
    stored = the_schedule(home, "daily")
    assert stored.schedule == schedule(tmp_path, overrides={"gate.epochs": 3})
    assert (stored.paused, stored.next_run) == (False, NOON + 3600)
    pause_schedule(home, "daily")
    set_next_run(home, "daily", NOON + 7200)
    assert (the_schedule(home, "daily").paused, the_schedule(home, "daily").next_run) == (True, None)
    assert resume_schedule(home, "daily", NOON + 8000).next_run == NOON + 10_800
    with pytest.raises(ConfigError, match="'daily' exists already"):
        planted(tmp_path)
    ask_for_run(home, "daily", "hand", NOON)
    remove_schedule(home, "daily")
    assert find_schedule(home, "daily") is None
    assert all_schedules(home) == history(home) == []
    with pytest.raises(ConfigError, match=r"no schedule 'daily' under .*; there are: none"):
        the_schedule(home, "daily")


@pytest.mark.parametrize("triggers", [{"every": None}, {"every": 60.0, "cron": "* * * * *"}])
def test_a_schedule_has_exactly_one_trigger(tmp_path, triggers):
    with pytest.raises(ValidationError, match="exactly one of cron, every and on_data"):
        schedule(tmp_path, **triggers)


def test_a_file_that_is_no_database_or_of_another_layout_is_named(tmp_path):
    (tmp_path / DATABASE_FILE).write_text("no database, but long enough to be read as the head of one" * 20)
    with pytest.raises(PipelineError, match="cannot be read: file is not a database"):
        all_schedules(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / DATABASE_FILE) as connection:
        connection.execute("pragma user_version = 99")
    with pytest.raises(PipelineError, match="have layout 99"):
        all_schedules(other)
    with pytest.raises(PipelineError, match="there are no schedules under"):
        all_schedules(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="cannot hold schedules: File exists"):
        add_schedule(tmp_path / "file", schedule(tmp_path))
    (other / DATABASE_FILE).unlink()
    (other / DATABASE_FILE).mkdir()
    with pytest.raises(PipelineError, match="cannot be opened"):
        all_schedules(other)


def test_a_change_by_another_connection_is_seen_once(tmp_path):
    home = planted(tmp_path)
    watch = ChangeWatch(home)
    assert not watch.changed()
    pause_schedule(home, "daily")
    assert watch.changed()
    assert not watch.changed()
    watch.close()


def test_one_time_gets_one_run_however_often_it_is_asked_for(tmp_path):
    home = planted(tmp_path)
    assert ask_for_run(home, "daily", "every", NOON).state == "waiting"
    assert ask_for_run(home, "daily", "every", NOON) is None
    assert len(history(home)) == 1


@pytest.mark.parametrize(
    ("missed", "states"),
    [
        ("skip", ["running", "skipped", "skipped"]),
        ("once", ["running", "waiting"]),
        ("all", ["running", "waiting", "waiting"]),
    ],
)
def test_times_that_come_while_a_run_goes_on_follow_the_policy(tmp_path, missed, states):
    home = planted(tmp_path)
    begin_attempt(home, ask_for_run(home, "daily", "every", NOON, missed), NOON)
    for hour in (1, 2):
        ask_for_run(home, "daily", "every", NOON + 3600 * hour, missed)
    assert [run.state for run in reversed(history(home))] == states


def test_a_schedule_has_one_run_at_a_time_and_schedules_do_not_wait_for_one_another(tmp_path):
    home = planted(tmp_path)
    planted(tmp_path, "other")
    for moment in (NOON, NOON + 1):
        ask_for_run(home, "daily", "every", moment)
        ask_for_run(home, "other", "every", moment)
    first = startable(home, NOON + 5)
    assert [(run.schedule, run.due) for run in first] == [("daily", NOON), ("other", NOON)]
    assert begin_attempt(home, first[0], NOON + 5).attempts == 1
    assert begin_attempt(home, first[0], NOON + 5) is None
    assert [run.schedule for run in startable(home, NOON + 5)] == ["other"]


def test_a_paused_schedule_starts_only_what_is_asked_for_by_hand(tmp_path):
    home = planted(tmp_path)
    ask_for_run(home, "daily", "every", NOON)
    pause_schedule(home, "daily")
    assert startable(home, NOON) == []
    ask_for_run(home, "daily", "hand", NOON)
    assert [run.trigger for run in startable(home, NOON)] == ["hand"]


def test_a_run_that_waits_for_another_attempt_keeps_its_count(tmp_path):
    home = planted(tmp_path)
    run = begin_attempt(home, ask_for_run(home, "daily", "every", NOON), NOON)
    wait_again(home, run, NOON + 60, 3, "bad rows")
    assert startable(home, NOON + 59) == []
    [run] = startable(home, NOON + 60)
    run = begin_attempt(home, run, NOON + 60)
    assert (run.attempts, run.started) == (2, NOON)
    wait_again(home, run, NOON + 70, 75, "busy", counted=False)
    assert begin_attempt(home, startable(home, NOON + 70)[0], NOON + 70).attempts == 2


def test_a_dead_run_and_the_one_that_resumes_it_are_written_in_one_step(tmp_path):
    home = planted(tmp_path)
    run = begin_attempt(home, ask_for_run(home, "daily", "every", NOON), NOON)
    resumed = died_and_resumed(home, run, NOON + 9)
    assert find_run(home, run.id).state == "died"
    assert (resumed.trigger, resumed.state, resumed.reason) == ("resume", "waiting", f"resumes run {run.id}")
    run = begin_attempt(home, resumed, NOON + 9)
    remove_schedule(home, "daily")
    assert died_and_resumed(home, run, NOON + 10) is None
    assert [one.state for one in history(home)] == ["died", "died"]


@settings(max_examples=15)
@given(states=st.lists(st.sampled_from(["succeeded", "failed", "waiting"]), max_size=8), keep=st.integers(1, 4))
def test_the_newest_ended_runs_are_kept_and_unfinished_ones_always(tmp_path_factory, states, keep):
    home = planted(tmp_path_factory.mktemp("history"))
    for number, state in enumerate(states):
        run = begin_attempt(home, ask_for_run(home, "daily", "every", NOON + number), NOON)
        if state == "waiting":
            wait_again(home, run, NOON, 1, "failed")
        else:
            finish_run(home, run.id, state, NOON, 0, None)
    ended = [number for number, state in enumerate(states, 1) if state != "waiting"]
    gone = ended[: max(0, len(ended) - keep)]
    assert sorted(forget_old(home, "daily", keep)) == sorted(f"logs/daily/{number}.log" for number in gone)
    assert [run.id for run in reversed(history(home))] == sorted(set(range(1, len(states) + 1)) - set(gone))


def test_a_time_long_past_is_skipped_where_the_policy_says_so(tmp_path, monkeypatch):
    home = planted(tmp_path, missed="skip")
    monkeypatch.setattr("time.time", lambda: NOON + GRACE_SECONDS)
    when_due(str(home), "daily", due=NOON)
    when_due(str(home), "daily", due=NOON - 1)
    assert [(run.due, run.state) for run in history(home)] == [(NOON - 1, "skipped"), (NOON, "waiting")]
    assert history(home)[0].reason == "no scheduler ran at that time"
    note_skipped(home, "daily", "every", NOON, "late")
    assert runs_in(home, "waiting")[0].due == NOON
    remove_schedule(home, "daily")
    when_due(str(home), "daily", due=NOON + 1)
    assert [run.state for run in history(home)] == ["skipped"]


def test_data_that_arrive_start_one_run_and_are_old_news_then(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    (data / "there.csv").write_text("x")
    home = planted(tmp_path, on_data=data, settle=30.0)

    def looked_at(seconds):
        monkeypatch.setattr("time.time", lambda: NOON + seconds)
        when_due(str(home), "daily", due=NOON + seconds)
        return len(history(home))

    assert looked_at(0) == looked_at(100) == 0
    (data / "new.csv").write_text("y")
    assert looked_at(110) == looked_at(139) == 0
    assert the_schedule(home, "daily").sighting.since == NOON + 110
    assert looked_at(140) == looked_at(150) == looked_at(1000) == 1
    assert history(home)[0].trigger == "data"


MISSED = [("skip", ["skipped"]), ("once", ["waiting"]), ("all", ["waiting"] * 4)]


@pytest.mark.parametrize(("missed", "states"), MISSED)
def test_apscheduler_makes_up_for_missed_times_by_the_policy(tmp_path, missed, states):
    """The scheduler was away while four times passed; jobs come from the database and their next times go back."""
    began = time.time()
    created = began - 4.5 * 3600
    home = planted(tmp_path, missed=missed, created=created)
    store, processed = ScheduleJobStore(home), threading.Event()
    scheduler = BackgroundScheduler(timezone=timezone.utc)
    scheduler.add_jobstore(store)
    scheduler.add_executor(DueTimeExecutor())
    scheduler.add_listener(lambda event: processed.set(), EVENT_JOB_SUBMITTED)
    scheduler.start()
    assert processed.wait(30)
    assert scheduler.get_job("daily").next_run_time.timestamp() == pytest.approx(created + 5 * 3600)
    with pytest.raises(ConfigError, match="seriatim schedule add"):
        scheduler.add_job(print, "date", id="x")
    scheduler.shutdown()
    assert [run.state for run in history(home)] == states
    assert history(home)[0].due == pytest.approx(created + 4 * 3600)
    assert the_schedule(home, "daily").next_run == pytest.approx(created + 5 * 3600)
    assert store.get_due_jobs(datetime.now(timezone.utc)) == []
