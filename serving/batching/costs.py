"""What ranking costs here and now, learned from what it did cost."""

from __future__ import annotations

from serving.runtime.query import Decoding

SMOOTHING = 0.1
DEVIATIONS = 2.0


class Costs:
    """Seconds of a batch by its decoding and its number of candidates, as a cautious running estimate.

    Batches are told apart by the power of two above their candidates. An estimate is the smoothed mean and twice the
    smoothed deviation from it, as TCP judges its round trips (RFC 6298).
    """

    def __init__(self) -> None:
        self._means: dict[tuple[Decoding, int], float] = {}
        self._deviations: dict[tuple[Decoding, int], float] = {}

    def observe(self, decoding: Decoding, candidates: int, seconds: float) -> None:
        """Learn from one batch of `candidates` in all that took `seconds`."""
        key = decoding, candidates.bit_length()
        if key not in self._means:
            self._means[key], self._deviations[key] = seconds, seconds / 2
            return
        off = seconds - self._means[key]
        self._deviations[key] += SMOOTHING * (abs(off) - self._deviations[key])
        self._means[key] += SMOOTHING * off

    def estimate(self, decoding: Decoding, candidates: int) -> float:
        """Seconds that a batch is likely not to exceed; of a size never seen, by the nearest; 0 when nothing is known.

        A size above the nearest known one is taken to cost in proportion, one below to cost as much.
        """
        size = candidates.bit_length()
        known = [seen for kind, seen in self._means if kind is decoding]
        if not known:
            return 0.0
        nearest = min(known, key=lambda seen: (abs(seen - size), seen))
        key = decoding, nearest
        return (self._means[key] + DEVIATIONS * self._deviations[key]) * 2.0 ** max(0, size - nearest)
