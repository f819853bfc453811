"""What the services tell of their work to whoever counts it."""

from __future__ import annotations

from typing import Protocol

from serving.runtime.query import Slate


class Observer(Protocol):
    """Told of what a call's status does not show; cheap, and never raises."""

    def shed(self, why: str) -> None:
        """A request was refused to keep others fast: its wait (`queue`), its `deadline`, too many `calls`."""

    def looked_up(self, items: int, unknown: int, available: bool) -> None:
        """Features of items were looked up; `unknown` of them got defaults, all where the store is not available."""

    def ranked(self, slate: Slate) -> None:
        """A request of the current call was ranked."""

    def events(self, outcome: str, count: int) -> None:
        """Events for the log were `recorded`, known already (`duplicate`), or could not be written (`failed`)."""


class NoObserver:
    """Nobody counts."""

    def shed(self, why: str) -> None:
        """Nothing."""

    def looked_up(self, items: int, unknown: int, available: bool) -> None:
        """Nothing."""

    def ranked(self, slate: Slate) -> None:
        """Nothing."""

    def events(self, outcome: str, count: int) -> None:
        """Nothing."""
