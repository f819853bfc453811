"""Why the cascade does not score images that are sound."""

from __future__ import annotations

from seriatim_errors import ServiceError
from serving.batching.refusals import DeadlinePassedError, OverloadedError


class QueueFullError(OverloadedError):
    """Too many images wait; `retry_after` says in seconds when to come again."""

    def __init__(self, images: int, waiting: int, limit: int, retry_after: float) -> None:
        ServiceError.__init__(
            self,
            f"{images} images asked for while {waiting} wait, and {limit} may; "
            f"try again in {1000 * retry_after:.0f} ms, or at another replica",
        )
        self.retry_after = retry_after


class ImagesTooLateError(DeadlinePassedError):
    """The caller's deadline passed before any stage had read all of the images."""

    def __init__(self) -> None:
        ServiceError.__init__(
            self, "the deadline passed before the images were scored; give the call more time, or fewer images"
        )


class CascadeClosedError(ServiceError):
    """The cascade stops, and what waits for it is not scored."""

    def __init__(self) -> None:
        super().__init__("the image cascade stops; try again, at another replica")
