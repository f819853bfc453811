"""What estimating a click model from a log gives, and the bootstrap that all estimations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.click_counts import LoggedClicks
from seriatim_errors import DataError

Model = TypeVar("Model")


@dataclass(frozen=True)
class ClickModelEstimate(Generic[Model]):
    """A click model of greatest likelihood on a log.

    Attributes:
        model: the simulated user, ready to click; with `attraction` as its relevance it is the fitted one.
        parameters: float64 `[parameters]`, what was estimated beside the attractions; each estimation says which.
        low, high: ends of the parameters' bootstrap intervals, or None when no resamples were asked for.
        groups: object (str) `[groups]`, sorted: what shares one attraction, by default an item.
        attraction: float64 `[groups]` in [0, 1], probability of a click on the group's items once examined.
        log_likelihoods: of the clicks, in nats, before the first round of expectation maximisation and after
            each one.
    """

    model: Model
    parameters: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    groups: NDArray
    attraction: NDArray[np.float64]
    log_likelihoods: tuple[float, ...]

    def attraction_of(self, groups: ArrayLike) -> NDArray[np.float64]:
        """The attraction of each of `groups`, float64 of their shape: the relevance that `model.clicks` takes.

        Raises:
            DataError: one was not in the log.
        """
        asked = np.asarray(groups).astype(str)
        known = self.groups.astype(str)
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        unknown = known[place] != asked
        if unknown.any():
            raise DataError(f"groups: {asked[unknown][0]!r} was not in the log; give only groups that were")
        return self.attraction[place]


def bootstrap_ends(
    log: LoggedClicks,
    refitted: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
    samples: int,
    confidence: float,
    seed: int,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Ends of the percentile bootstrap intervals over requests.

    Args:
        log: what is resampled.
        refitted: parameters for the log with other weights, float64 `[rows]`; None where those hold no answer.
        samples: resamples; 0: no intervals.
        confidence: probability in (0, 1).
        seed: fixes the resamples.

    Raises:
        DataError: fewer than half of the resamples hold an answer.
        ValueError: `samples` is negative or `confidence` is out of range.
    """
    if samples < 0 or not 0 < confidence < 1:
        raise ValueError(f"samples: {samples}, confidence: {confidence}; give at least 0, and between 0 and 1")
    if samples == 0:
        return None, None
    found = [fit for weights in _resampled(log, samples, seed) if (fit := refitted(weights)) is not None]
    if 2 * len(found) < samples:
        raise DataError(
            f"clicks: {len(found)} of {samples} resamples tell the parameters, too few for intervals; "
            "take a longer log, or samples=0"
        )
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.stack(found), [tail, 1.0 - tail], axis=0)
    return low, high


def _resampled(log: LoggedClicks, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    lists = int(log.list_index.max()) + 1
    for _ in range(samples):
        times = np.bincount(rng.integers(lists, size=lists), minlength=lists)
        yield log.weights * times[log.list_index]
