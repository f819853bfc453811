"""Which days of a log a run was trained and evaluated on, as the metrics file holds them."""

from __future__ import annotations

from pipelines.report.metrics_parts import Part

MOST_NAMED = 7


class SpanOfRun(Part):
    """One day: ISO date, highest version (null where the log has none), and whether it is evaluated on."""

    day: str
    version: int | None = None
    held_out: bool = False


class SpansOfRun(Part):
    """The window: its ends, the days that were read, oldest first, and those that are not there."""

    first: str
    last: str
    days: tuple[SpanOfRun, ...]
    missing: tuple[str, ...] = ()

    @property
    def trained_until(self) -> str:
        """The last day that was trained on."""
        return [one.day for one in self.days if not one.held_out][-1]

    @property
    def words(self) -> str:
        """What a person is told: `2026-01-01 to 2026-01-07 (5 days to train on, 1 to evaluate on; ...)`."""
        held_out = sum(one.held_out for one in self.days)
        parts = [_counted(len(self.days) - held_out, "day") + " to train on"]
        if held_out:
            parts.append(f"{held_out} to evaluate on")
        repaired = [f"{one.day} v{one.version}" for one in self.days if (one.version or 0) > 1]
        if repaired:
            parts.append(f"later versions: {', '.join(repaired)}")
        if self.missing:
            more = len(self.missing) - MOST_NAMED
            named = ", ".join(self.missing[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"not there: {named}")
        return f"{self.first} to {self.last} ({'; '.join(parts)})"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
