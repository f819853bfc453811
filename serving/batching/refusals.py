"""Why the service does not rank a request that is sound."""

from __future__ import annotations

from seriatim_errors import ServiceError


class OverloadedError(ServiceError):
    """More work waits than can be done in time; `retry_after` says in seconds when to come again."""

    def __init__(self, wait: float, limit: float, retry_after: float) -> None:
        super().__init__(
            f"the service is overloaded: the wait is {1000 * wait:.0f} ms, {1000 * limit:.0f} ms are allowed; "
            f"try again in {1000 * retry_after:.0f} ms, or at another replica"
        )
        self.retry_after = retry_after


class DeadlinePassedError(ServiceError):
    """The caller's deadline passed while the request waited."""

    def __init__(self) -> None:
        super().__init__("the deadline passed before the request was ranked; give it more time, or fewer candidates")
