"""How long distillation takes on one worker and on several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DistillationTimes:
    """Seconds of every student, measured one after the other on one machine.

    Attributes:
        seconds: by the student's name.
    """

    seconds: Mapping[str, float]

    @property
    def total(self) -> float:
        """Compute of all students together."""
        return sum(self.seconds.values())

    def wall(self, workers: int) -> float:
        """Seconds until all are done on several workers, the longest given out first: the busiest worker's sum.

        Raises:
            ValueError: there is no worker.
        """
        if workers < 1:
            raise ValueError(f"workers {workers}; give 1 or more")
        busy = [0.0] * workers
        for seconds in sorted(self.seconds.values(), reverse=True):
            busy[busy.index(min(busy))] += seconds
        return max(busy)
