"""Calibration: whether predicted click probabilities are the rates at which clicks fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import DataError

# Log loss keeps probabilities this far from 0 and 1, as scikit-learn does, so that no single item decides it.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
EDGE_ROUNDING = 1e-9


@dataclass(frozen=True)
class ReliabilityTable:
    """Predictions against clicks in bins of equal mass, in ascending order of prediction.

    Attributes:
        predicted: float64 `[bins]`, weighted mean prediction of each bin.
        observed: float64 `[bins]`, its weighted click rate.
        mass: float64 `[bins]`, its share of all weight; the sum is 1.
        count: int64 `[bins]`, its items.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    mass: NDArray[np.float64]
    count: NDArray[np.int64]


def reliability_table(
    probabilities: ArrayLike,
    clicks: ArrayLike,
    bins: int = 10,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> ReliabilityTable:
    """Predictions against clicks in about `bins` bins of equal weight.

    Equal predictions share a bin (the one that their middle falls into), so that the table does not depend on
    the order of the items; there are fewer bins where many predictions are equal.

    Args:
        probabilities: float, any shape, in [0, 1]: the predicted probability that an item is clicked.
        clicks: {0, 1}, in that shape.
        bins: >= 1.
        weights: >= 0, in that shape or one that broadcasts to it; None: all equal.
        mask: bool, likewise, false for what does not count; None: everything counts.

    Raises:
        DataError: a value is out of its range, the shapes differ, or nothing counts.
        ValueError: `bins` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins: {bins}; give at least 1")
    items = _Items.checked(probabilities, clicks, weights, mask)
    place = bins_of_mass(items.predicted, items.share, bins)
    mass = np.bincount(place, items.share).astype(np.float64)
    return ReliabilityTable(
        predicted=np.bincount(place, items.share * items.predicted) / mass,
        observed=np.bincount(place, items.share * items.clicked) / mass,
        mass=mass,
        count=np.bincount(place).astype(np.int64),
    )


def bins_of_mass(predictions: NDArray[np.float64], shares: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each item, in ascending order of prediction and of about equal weight; equal predictions share one.

    Args:
        predictions: float64 `[items]`, finite.
        shares: float64 `[items]`, > 0, with a sum of 1.
        bins: >= 1.

    Returns:
        int64 `[items]`, from 0 without a gap.
    """
    _, group = np.unique(predictions, return_inverse=True)
    weight = np.bincount(group, shares)
    middle = np.cumsum(weight) - weight / 2
    # A middle on an edge belongs to the bin above it, whichever way its sum was rounded.
    place = np.minimum((bins * middle + EDGE_ROUNDING).astype(np.int64), bins - 1)[group]
    return np.unique(place, return_inverse=True)[1].astype(np.int64)


def expected_calibration_error(
    probabilities: ArrayLike,
    clicks: ArrayLike,
    bins: int = 10,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """The mean distance between prediction and click rate over bins of equal mass, in [0, 1].

    It is above 0 by chance alone, the more so the fewer items a bin has. Args and raises: `reliability_table`.

    Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015; bins of
    equal mass as in Nguyen and O'Connor, EMNLP 2015.
    """
    table = reliability_table(probabilities, clicks, bins, weights, mask)
    return float(table.mass @ np.abs(table.predicted - table.observed))


def calibration_ratio(
    probabilities: ArrayLike, clicks: ArrayLike, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> float:
    """The clicks that were predicted over the clicks that fell; 1 is right on average, above 1 promises too much.

    >>> calibration_ratio([0.5, 0.25], [1, 0])
    0.75

    Args: as in `reliability_table`.

    Raises:
        DataError: as in `reliability_table`, or there is no click to compare with.
    """
    items = _Items.checked(probabilities, clicks, weights, mask)
    clicked = float(items.share @ items.clicked)
    if clicked == 0:
        raise DataError(f"clicks: none on the {len(items.clicked)} items, so their ratio is undefined; give more data")
    return float(items.share @ items.predicted) / clicked


def brier_score(
    probabilities: ArrayLike, clicks: ArrayLike, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> float:
    """The mean squared distance between prediction and click, in [0, 1].

    Args and raises: as in `reliability_table`.

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    items = _Items.checked(probabilities, clicks, weights, mask)
    return float(items.share @ (items.predicted - items.clicked) ** 2)


def log_loss(
    probabilities: ArrayLike, clicks: ArrayLike, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> float:
    """The mean negative log-likelihood of the clicks, in nats; finite even for a certain prediction that failed.

    Args and raises: as in `reliability_table`.
    """
    items = _Items.checked(probabilities, clicks, weights, mask)
    likelihood = np.where(items.clicked > 0, items.predicted, 1.0 - items.predicted)
    return float(-items.share @ np.log(np.clip(likelihood, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)))


@dataclass(frozen=True)
class _Items:
    """What counts, flat: float64 `[items]` each, shares of all weight summing to 1."""

    predicted: NDArray[np.float64]
    clicked: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def checked(
        cls, probabilities: ArrayLike, clicks: ArrayLike, weights: ArrayLike | None, mask: ArrayLike | None
    ) -> _Items:
        predicted, clicked = np.asarray(probabilities, np.float64), np.asarray(clicks, np.float64)
        if clicked.shape != predicted.shape:
            raise DataError(
                f"clicks: shape {clicked.shape} for probabilities of shape {predicted.shape}; give one each"
            )
        weight = np.broadcast_to(1.0 if weights is None else np.asarray(weights, np.float64), predicted.shape)
        present = np.broadcast_to(True if mask is None else np.asarray(mask, bool), predicted.shape)
        predicted, clicked, weight = predicted[present], clicked[present], weight[present]
        _refuse("weights", weight, (weight >= 0) & np.isfinite(weight), "finite weights of at least 0")
        counts = weight > 0
        predicted, clicked, weight = predicted[counts], clicked[counts], weight[counts]
        if len(weight) == 0:
            raise DataError("probabilities: no item counts, so there is nothing to calibrate; give at least one")
        _refuse("probabilities", predicted, (predicted >= 0) & (predicted <= 1), "probabilities in [0, 1]")
        _refuse("clicks", clicked, (clicked == 0) | (clicked == 1), "0 or 1")
        relative = weight / weight.max()
        return cls(predicted, clicked, relative / relative.sum())


def _refuse(name: str, values: NDArray[np.float64], good: NDArray[np.bool_], wanted: str) -> None:
    if not good.all():
        raise DataError(f"{name}: {values[int(np.argmin(good))]}; give {wanted}")
