"""From a schedule to the trigger of APScheduler that knows its times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pipelines.scheduling.schedule import Schedule
from seriatim_errors import ConfigError

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
# How often a folder is looked at: four times while it settles, within these bounds.
LOOKS_PER_SETTLING = 4
SHORTEST_LOOK, LONGEST_LOOK = 1.0, 30.0


def trigger_of(schedule: Schedule) -> BaseTrigger:
    """The trigger of a schedule; of one that waits for data, when to look for them.

    Raises:
        ConfigError: cron's fields or the time zone are not what they must be.
    """
    if schedule.cron is not None:
        return _cron(schedule.cron, _zone(schedule.timezone))
    seconds = schedule.every or min(max(schedule.settle / LOOKS_PER_SETTLING, SHORTEST_LOOK), LONGEST_LOOK)
    start = datetime.fromtimestamp(schedule.created, timezone.utc) + timedelta(seconds=seconds)
    return IntervalTrigger(seconds=seconds, start_date=start, timezone=timezone.utc)


def next_time(schedule: Schedule, now: float) -> float:
    """When the schedule is due next after `now`, seconds since 1970.

    Raises:
        ConfigError: never, such as on 30 February.
    """
    moment = datetime.fromtimestamp(now, timezone.utc)
    found = trigger_of(schedule).get_next_fire_time(None, moment)
    if found is None:
        raise ConfigError(f"cron {schedule.cron!r} never comes; correct day and month")
    return found.timestamp()


def _cron(text: str, zone: tzinfo) -> CronTrigger:
    fields = text.split()
    if len(fields) != 5:
        raise ConfigError(f"cron {text!r} has {len(fields)} fields; give five: minute hour day month day-of-week")
    fields[4] = _named_days(fields[4])
    try:
        return CronTrigger.from_crontab(" ".join(fields), zone)
    except ValueError as error:
        raise ConfigError(f"cron {text!r}: {error}; correct that field") from None


def _named_days(field: str) -> str:
    """Days of the week by name: APScheduler counts them from Monday, cron from Sunday."""
    if not re.search(r"\d", field):
        return field
    days: set[str] = set()
    for part in field.split(","):
        found = re.fullmatch(r"([0-7])(?:-([0-7]))?(?:/([1-7]))?", part.replace("*", "0-6"))
        if found is None and part in DAYS:
            days.add(part)
            continue
        if found is None or int(found[2] or 7) < int(found[1]):
            raise ConfigError(f"cron's day of week {part!r} is none; give 0 to 7 (0 and 7 are Sunday) or mon to sun")
        first, step = int(found[1]), int(found[3] or 1)
        last = int(found[2]) if found[2] else 6 if found[3] else first
        days |= set(DAYS[first : last + 1 : step])
    return ",".join(sorted(days, key=DAYS.index))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"timezone {name!r} is unknown; give a name such as Europe/Berlin or UTC") from None
