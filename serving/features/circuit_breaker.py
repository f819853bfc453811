"""A circuit breaker: what has failed several times is left alone for a while, then tried again, one call at a time."""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Decides whether a call may be tried.

    Closed, it lets every call through. After `failures` failed calls in a row it opens: calls are refused for `pause`
    seconds, then one is let through, and another after twice the pause, and so on, up to `longest_pause` between two.
    A success closes it. A call that is let through and abandoned, its outcome never reported, blocks nothing.

    Args:
        failures: failed calls in a row that open it, at least 1.
        pause: seconds, above 0.
        longest_pause: seconds, at least `pause`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        failures: int = 3,
        pause: float = 0.1,
        longest_pause: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._first_pause, self._longest_pause, self._clock = failures, pause, longest_pause, clock
        self._failed_in_a_row = 0
        self._pause = pause
        self._retry_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether every call is let through."""
        return self._failed_in_a_row < self._limit

    def allows(self) -> bool:
        """Whether a call may be tried now; who is told so is the one that tries."""
        if self.closed:
            return True
        if self._clock() < self._retry_at:
            return False
        self._pause = min(2 * self._pause, self._longest_pause)
        self._retry_at = self._clock() + self._pause
        return True

    def succeeded(self) -> None:
        """A call was answered."""
        self._failed_in_a_row, self._pause = 0, self._first_pause

    def failed(self) -> None:
        """A call failed."""
        self._failed_in_a_row += 1
        # Only the one that opens it: calls that were under way by then are no further tries.
        if self._failed_in_a_row == self._limit:
            self._retry_at = self._clock() + self._pause
