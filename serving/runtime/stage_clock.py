"""Where a request's time goes, by stage."""

from __future__ import annotations

import time
from types import TracebackType


class StageClock:
    """Adds up the seconds of each stage: `with clock.stage("gate"): ...`. Stages do not lie within one another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._kind, self._begun = "", 0.0

    def stage(self, kind: str) -> StageClock:
        """Time what runs inside as the stage `kind`."""
        self._kind = kind
        return self

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds[self._kind] = self.seconds.get(self._kind, 0.0) + time.perf_counter() - self._begun
