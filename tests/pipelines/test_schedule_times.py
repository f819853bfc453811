"""When schedules are due: durations, cron and its days, time zones that change, data that arrive."""

import os
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.scheduling.arrival import Sighting, fingerprint_of, look
from pipelines.scheduling.durations import in_words, seconds_of
from pipelines.scheduling.triggers import next_time, trigger_of
from seriatim_errors import ConfigError
from tests.pipelines.planted_schedules import NOON, schedule


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("0s", 0), ("0.5s", 0.5), (" 5m ", 300)]
)
def test_durations_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1h 30m", "-1s", "1s1m", "1.5h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="is no duration"):
        seconds_of(text)


@given(st.integers(0, 10**7))
def test_a_duration_in_words_reads_as_itself(tenths):
    assert seconds_of(in_words(tenths / 10)) == pytest.approx(tenths / 10)


def due_times(schedule, since, count):
    """The next `count` times in UTC after `since`."""
    times, moment = [], since
    for _ in range(count):
        moment = trigger_of(schedule).get_next_fire_time(None, moment + timedelta(seconds=1)).astimezone(timezone.utc)
        times.append(moment.strftime("%a %d %H:%M"))
    return times


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("0", {"Sun"}),
        ("7", {"Sun"}),
        ("1-5", {"Mon", "Tue", "Wed", "Thu", "Fri"}),
        ("0-6", {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}),
        ("5-7", {"Fri", "Sat", "Sun"}),
        ("1,3", {"Mon", "Wed"}),
        ("1-5/2", {"Mon", "Wed", "Fri"}),
        ("0/3", {"Sun", "Wed", "Sat"}),
        ("mon-wed", {"Mon", "Tue", "Wed"}),
        ("sat,0", {"Sat", "Sun"}),
        ("*/2", {"Sun", "Tue", "Thu", "Sat"}),
        ("*", {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}),
    ],
)
def test_days_of_the_week_are_counted_as_cron_counts_them(tmp_path, days, expected):
    one = schedule(tmp_path, cron=f"0 3 * * {days}")
    times = due_times(one, datetime(2026, 3, 1, tzinfo=timezone.utc), 14)
    assert {time.split()[0] for time in times} == expected


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 3 * *", "has 4 fields"),
        ("61 3 * * *", "correct that field"),
        ("0 3 * * 8", "day of week '8'"),
        ("0 3 * * 5-1", "day of week '5-1'"),
        ("0 3 * * mon-wed,0", "day of week 'mon-wed'"),
        ("0 3 30 2 *", "never comes"),
    ],
)
def test_a_wrong_cron_is_refused_by_name(tmp_path, cron, message):
    with pytest.raises(ConfigError, match=message):
        next_time(schedule(tmp_path, cron=cron), NOON)


def test_an_unknown_time_zone_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'Mars/Olympus' is unknown"):
        next_time(schedule(tmp_path, cron="0 3 * * *", timezone="Mars/Olympus"), NOON)


def test_where_clocks_go_forward_a_skipped_time_comes_an_hour_later_by_the_clock(tmp_path):
    """Berlin, 29 March 2026: 02:00 becomes 03:00, and 02:30 does not exist."""
    one = schedule(tmp_path, cron="30 2 * * *", timezone="Europe/Berlin")
    times = due_times(one, datetime(2026, 3, 27, 12, tzinfo=timezone.utc), 3)
    assert times == ["Sat 28 01:30", "Sun 29 01:30", "Mon 30 00:30"]


def test_where_clocks_go_back_a_time_that_comes_twice_is_due_twice(tmp_path):
    """Berlin, 25 October 2026: 03:00 becomes 02:00, and 02:30 comes twice."""
    one = schedule(tmp_path, cron="30 2 * * *", timezone="Europe/Berlin")
    times = due_times(one, datetime(2026, 10, 24, 12, tzinfo=timezone.utc), 3)
    assert times == ["Sun 25 00:30", "Sun 25 01:30", "Mon 26 01:30"]


def test_an_interval_counts_from_when_it_was_added(tmp_path):
    one = schedule(tmp_path, every=3600.0)
    assert next_time(one, NOON) == NOON + 3600
    assert next_time(one, NOON + 5000) == NOON + 7200


def test_the_fingerprint_of_data_sees_names_sizes_and_times(tmp_path):
    assert fingerprint_of(tmp_path / "absent") == fingerprint_of(tmp_path) == ""
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x").write_text("x")
    assert fingerprint_of(tmp_path) == ""
    seen = [""]
    file = tmp_path / "day" / "log.csv"
    file.parent.mkdir()
    for change in (
        lambda: file.write_text("a"),
        lambda: file.write_text("ab"),
        lambda: os.utime(file, (1, 1)),
        lambda: file.rename(file.with_name("other.csv")),
    ):
        change()
        seen.append(fingerprint_of(tmp_path))
        assert fingerprint_of(tmp_path) == seen[-1]
    assert len(set(seen)) == len(seen)
    assert fingerprint_of(tmp_path / "day" / "other.csv") not in seen


def test_data_arrive_when_they_are_new_and_have_settled():
    first, early = look("old", None, "new", 100.0, 60.0)
    assert (first, early) == (Sighting("new", 100.0), False)
    assert look("old", first, "newer", 130.0, 60.0) == (Sighting("newer", 130.0), False)
    assert look("old", first, "new", 159.0, 60.0) == (first, False)
    assert look("old", first, "new", 160.0, 60.0) == (first, True)
    assert look("old", first, "old", 160.0, 60.0) == (None, False)
    assert look("old", first, "", 160.0, 60.0) == (None, False)
    assert look("", None, "new", 5.0, 0.0) == (Sighting("new", 5.0), True)
