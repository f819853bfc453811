"""When a call that failed is sent again, and after how long."""

from __future__ import annotations

from collections.abc import Iterator

from serving.client.errors import BusyError, RefusedError, UnreachableError

PAUSES = (0.05, 0.1, 0.2)


class Retries:
    """Of one call. Every call may be sent twice: slates follow from the request, and events are known by their ids.

    (gRPC's own retries garble compressed messages, and know nothing of the time that a busy service asks for.)

    Args:
        wanted: whether to send again at all.
    """

    def __init__(self, wanted: bool) -> None:
        self._pauses: Iterator[float] = iter(PAUSES if wanted else ())
        self._wanted = wanted

    def pause_after(self, error: RefusedError, remaining: float) -> float | None:
        """Seconds to wait before the call is sent again; None: it is not.

        Args:
            error: what it failed with.
            remaining: seconds that the caller has.
        """
        pause = None
        if self._wanted and isinstance(error, BusyError):
            pause = error.retry_after
        elif isinstance(error, UnreachableError):
            pause = next(self._pauses, None)
        return pause if pause is not None and pause < remaining else None
