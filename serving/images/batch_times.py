"""What a batch of a stage costs here and now, learned from what it did cost, and which batch that makes the best."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SMOOTHING = 0.1
DEVIATIONS = 2.0


class BatchTimes:
    """Seconds by stage and bucket, as smoothed means with their smoothed deviations (as in RFC 6298).

    Args:
        buckets: batch sizes, rising.
    """

    def __init__(self, buckets: Sequence[int]) -> None:
        self.buckets = tuple(buckets)
        self._means: dict[tuple[int, int], float] = {}
        self._deviations: dict[tuple[int, int], float] = {}

    def observe(self, stage: int, bucket: int, seconds: float) -> None:
        """Learn from one batch."""
        key = stage, bucket
        if key not in self._means:
            self._means[key], self._deviations[key] = seconds, seconds / 2
            return
        off = seconds - self._means[key]
        self._deviations[key] += SMOOTHING * (abs(off) - self._deviations[key])
        self._means[key] += SMOOTHING * off

    def mean(self, stage: int, bucket: int) -> float:
        """Seconds that a batch takes on average; 0 for one never seen."""
        return self._means.get((stage, bucket), 0.0)

    def likely(self, stage: int, bucket: int) -> float:
        """Seconds that a batch is likely not to exceed: its mean and two deviations; 0 for one never seen."""
        return self.mean(stage, bucket) + DEVIATIONS * self._deviations.get((stage, bucket), 0.0)

    def bucket_for(self, rows: int) -> int:
        """The smallest bucket that holds `rows`; the largest where none does."""
        return self.buckets[min(bisect_left(self.buckets, rows), len(self.buckets) - 1)]

    def rows_to_take(self, stage: int, waiting: int) -> int:
        """How many of `waiting` rows (at least one) to run next.

        All of them in a bucket with places left over, or as many as fill the next smaller bucket, with another batch
        for the rest: whichever took less time so far. Devices that are not full read a place left over for nothing.
        """
        above = self.bucket_for(waiting)
        if waiting >= above or above == self.buckets[0]:
            return min(waiting, above)
        below = self.buckets[self.buckets.index(above) - 1]
        rest = self.bucket_for(waiting - below)
        together = self.mean(stage, above)
        return waiting if together <= self.mean(stage, below) + self.mean(stage, rest) else below

    def backlog(self, stage: int, rows: int) -> float:
        """Seconds that `rows` of a stage take on average."""
        full, rest = divmod(rows, self.buckets[-1])
        seconds = full * self.mean(stage, self.buckets[-1])
        return seconds + (self.mean(stage, self.bucket_for(rest)) if rest else 0.0)
