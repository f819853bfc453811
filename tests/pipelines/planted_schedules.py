"""Schedules and folders that the tests of scheduling start from."""

from pipelines.scheduling.schedule import Schedule
from pipelines.scheduling.schedule_store import add_schedule

NOON = 1_772_366_400.0  # 2026-03-01 12:00 UTC, a Sunday


def schedule(root, name="daily", **settings):
    """A schedule; without a trigger of its own it comes every hour."""
    if not {"cron", "every", "on_data"} & set(settings):
        settings["every"] = 3600.0
    return Schedule(**{"name": name, "config": root / "p.yaml", "folder": root, "created": NOON} | settings)


def planted(root, name="daily", **settings):
    """A schedule that is kept under `root`; returns its home."""
    add_schedule(root / "home", schedule(root, name, **settings))
    return root / "home"
