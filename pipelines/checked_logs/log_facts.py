"""What a checked click log holds, gathered bucket by bucket."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

MEANS = ("clicked", "grade", "propensity")


class LogFacts:
    """Counts, ranges and means of good rows.

    Buckets hold whole requests, and are added one after another.

    Attributes:
        rows, requests: their number.
        lowest, highest: of each feature; features without a row are left out.
    """

    def __init__(self) -> None:
        self.rows = self.requests = 0
        self.lowest: dict[str, float] = {}
        self.highest: dict[str, float] = {}
        self._sums: Counter[str] = Counter()
        self._items: pa.Array = pa.array([], pa.string())

    @property
    def items(self) -> int:
        """Number of different items."""
        return len(self._items)

    def add(self, good: pa.Table, features: tuple[str, ...]) -> None:
        """Count the good rows of a bucket, in the contract's types."""
        if not len(good):
            return
        self.rows += len(good)
        self.requests += len(pc.unique(good["request_id"]))
        self._items = pc.unique(pa.chunked_array([self._items, *good["item_id"].chunks]))
        for name in features:
            span = pc.min_max(good[name])
            self.lowest[name] = min(span["min"].as_py(), self.lowest.get(name, span["min"].as_py()))
            self.highest[name] = max(span["max"].as_py(), self.highest.get(name, span["max"].as_py()))
        for name in (*features, *(mean for mean in MEANS if mean in good.column_names)):
            self._sums[name] += pc.sum(pc.cast(good[name], pa.float64())).as_py()

    def mean(self, name: str) -> float | None:
        """Of a feature, or of one of `MEANS`; None where no row has it."""
        return self._sums[name] / self.rows if name in self._sums else None
