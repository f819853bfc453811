"""An image on its way through the cascade, and the request it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NOTHING = np.empty(0, np.float32)


@dataclass(frozen=True)
class ImageScore:
    """What a cascade says about one image.

    Attributes:
        probabilities: float32 `[classes]`: of the stages that ran, their mean, or the last of them.
        embedding: float32 `[width]` of the stage that answered, of width 0 for a cascade without.
        confidence: 0 to 1, of `probabilities`.
        exit_stage: the stage that answered, from 0.
        cut_short: whether a later stage was wanted but the deadline did not allow it.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    confidence: float
    exit_stage: int
    cut_short: bool = False


class Request:
    """The images of one call; answered when each of them is.

    Args:
        images: how many.
        deadline: seconds on the event loop's clock; infinite for none.
    """

    def __init__(self, images: int, deadline: float) -> None:
        self.deadline = deadline
        self.answer: asyncio.Future[list[ImageScore]] = asyncio.get_running_loop().create_future()
        self._scores: dict[int, ImageScore] = {}
        self._images = images

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more: answered, failed, or its caller is gone."""
        return self.answer.done()

    def settle(self, place: int, score: ImageScore) -> None:
        """Set the score of one image."""
        self._scores[place] = score
        if len(self._scores) == self._images and not self.over:
            self.answer.set_result([self._scores[place] for place in range(self._images)])

    def fail(self, error: Exception) -> None:
        """Answer all of it with an error, if it is not over."""
        if not self.over:
            self.answer.set_exception(error)

    def abandon(self) -> None:
        """Nobody waits for it any more; what of it stands in a queue is no longer wanted."""
        if not self.answer.cancel() and not self.answer.cancelled():
            # Asked for, so that asyncio does not report an error that nobody was left to hear.
            self.answer.exception()


@dataclass(eq=False)
class Row:
    """One image of a request.

    Attributes:
        request: whose it is.
        place: its place there.
        pixels: uint8 `[height, width, 3]` for each stage.
        queued: when it came to the queue it stands in.
        waiting: whether it stands in a queue and is still wanted there.
        total: float32 `[classes]`, sum of the probabilities so far; empty before the first stage.
        score: of the last stage it went through.
        timer: ends its wait when the stage could no longer finish in time.
    """

    request: Request
    place: int
    pixels: Sequence[NDArray[np.uint8]]
    queued: float = 0.0
    waiting: bool = False
    total: NDArray[np.float32] = field(default_factory=lambda: NOTHING)
    score: ImageScore | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """Whether it waits and somebody waits for it."""
        return self.waiting and not self.request.over

    def take(self) -> None:
        """Take it out of its queue: it runs, or is answered."""
        self.waiting = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
