"""What a feature store answers, and what every store can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.bundle.manifest import Features


@dataclass(frozen=True)
class LookedUp:
    """The features of some items.

    Attributes:
        matrix: float32 `[items, item features]`, finite, in the bundle's order; defaults where the store has no value.
        known: bool `[items]`, whether the store holds a row of the item.
    """

    matrix: NDArray[np.float32]
    known: NDArray[np.bool_]


class FeatureStore(Protocol):
    """Where features of items are looked up."""

    @property
    def available(self) -> bool:
        """Whether lookups are answered from the store now, rather than with defaults."""

    async def check(self, features: Features) -> None:
        """Raise `BundleError`, naming the feature, if the store is there but lacks one that a bundle reads."""

    async def lookup(self, item_ids: Sequence[str], features: Features) -> LookedUp:
        """The features of `item_ids`, in that order, as the bundle with `features` reads them."""

    async def close(self) -> None:
        """Give back files and connections; the store is not asked again."""
