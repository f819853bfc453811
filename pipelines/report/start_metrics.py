"""Where a stage's training started, as the metrics file holds it."""

from __future__ import annotations

from pipelines.report.metrics_parts import Part


class StageStart(Part):
    """A bundle's version whose weights a stage started from, or None with the reason why it started from new ones."""

    version: str | None = None
    reason: str = ""

    @property
    def words(self) -> str:
        """`started from VERSION`, or `started from scratch: REASON`."""
        return f"started from {self.version}" if self.version else f"started from scratch: {self.reason}"
