"""What ranking costs here and now, learned from what it did cost."""

from __future__ import annotations

from dataclasses import dataclass

from serving.runtime.query import Decoding

SMOOTHING = 0.1
DEVIATIONS = 2.0


class Costs:
    """Seconds of a batch by its decoding and its number of candidates, as a cautious running estimate.

    Batches are told apart by the power of two above their candidates. An estimate is the smoothed mean and twice the
    smoothed deviation from it, as TCP judges its round trips (RFC 6298).
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Decoding, int], _Known] = {}

    def observe(self, decoding: Decoding, candidates: int, seconds: float) -> None:
        """Learn from one batch of `candidates` in all that took `seconds`."""
        key = decoding, candidates.bit_length()
        known = self._known.get(key)
        if known is None:
            self._known[key] = _Known(float(candidates), seconds, seconds / 2)
            return
        off = seconds - known.seconds
        known.deviation += SMOOTHING * (abs(off) - known.deviation)
        known.seconds += SMOOTHING * off
        known.candidates += SMOOTHING * (candidates - known.candidates)

    def estimate(self, decoding: Decoding, candidates: int) -> float:
        """Seconds that a batch is likely not to exceed; of a size never seen, by the nearest; 0 when nothing is known.

        More candidates than the nearest known batches had are taken to cost in proportion, fewer to cost as much.
        """
        size = candidates.bit_length()
        sizes = [seen for kind, seen in self._known if kind is decoding]
        if not sizes:
            return 0.0
        nearest = min(sizes, key=lambda seen: (abs(seen - size), seen))
        known = self._known[decoding, nearest]
        return (known.seconds + DEVIATIONS * known.deviation) * max(1.0, candidates / known.candidates)


@dataclass
class _Known:
    """Smoothed means of batches of about one size."""

    candidates: float
    seconds: float
    deviation: float
