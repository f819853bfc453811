"""Whether a log can tell a policy's value, judged from importance weights before any reward is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import MetricInterval
from ranking.off_policy.estimate import WeightDiagnostics
from ranking.off_policy.ratios import RatioTerms
from seriatim_errors import DataError

# Without support for a hundredth of the policy's choices the unseen part may move the value by as much.
MAX_UNSUPPORTED = 0.01
# Fewer effective impressions than these leave the value to a handful of weights.
MIN_EFFECTIVE_COUNT, MIN_EFFECTIVE_SHARE = 50, 0.01


@dataclass(frozen=True)
class Support:
    """The verdict on a log for one policy.

    Attributes:
        diagnostics: of the weights; None where there are none.
        mean_weight: terms whose value is 1 in expectation; None where there are no weights.
        reason: why the policy's value is not identifiable; None when it is.
    """

    diagnostics: WeightDiagnostics | None
    mean_weight: RatioTerms | None
    reason: str | None


def no_support(reason: str) -> Support:
    """The verdict on a log without weights."""
    return Support(None, None, reason)


def judged(
    weights: NDArray[np.float64],
    mean_weight: RatioTerms,
    missing: NDArray[np.float64],
    deterministic: bool,
) -> Support:
    """The verdict from weights.

    Args:
        weights: float64 `[weights]`, all that enter the estimate, one or more a row of the log.
        mean_weight: terms `[rows]` whose value is 1 in expectation.
        missing: float64 `[rows]` in [0, 1], known probability of the policy's choices without support.
        deterministic: whether the logger never had a choice.
    """
    rows = len(missing)
    value = mean_weight.value
    diagnostics = WeightDiagnostics(
        count=rows,
        effective_sample_size=effective_size(weights) * rows / len(weights),
        max_weight=float(weights.max()),
        mean_weight=0.0 if value is None else value,
        zero_weight_share=float((weights == 0).mean()),
        unsupported_mass=float(missing.mean()),
    )
    return Support(diagnostics, mean_weight, _why_not(diagnostics, deterministic))


def effective_size(weights: NDArray[np.float64]) -> float:
    """`(sum w)**2 / sum w**2` of weights >= 0, as many equal weights as are worth these; 0 when all are 0."""
    # Scaled before squaring, so that the largest representable weights do not overflow.
    largest = float(weights.max())
    relative = weights / largest if largest > 0 else weights
    squares = float((relative**2).sum())
    return float(relative.sum() ** 2 / squares) if squares > 0 else 0.0


def _why_not(diagnostics: WeightDiagnostics, deterministic: bool) -> str | None:
    if diagnostics.unsupported_mass > MAX_UNSUPPORTED:
        logger = (
            "the logging policy is deterministic"
            if deterministic
            else "the logging policy never makes some of the policy's choices"
        )
        return (
            f"{logger}: {diagnostics.unsupported_mass:.1%} of the policy's probability has no support in "
            "the log; collect traffic with exploration"
        )
    if diagnostics.max_weight == 0:
        return "the policy would have made none of the logged choices; collect traffic that it could have made"
    return None


def cautions(diagnostics: WeightDiagnostics, mean_weight: MetricInterval) -> list[str]:
    """What speaks against relying on an identifiable value.

    Args:
        diagnostics: of the weights.
        mean_weight: their mean with its interval, which must hold 1 when the propensities are right and every
            choice of the policy has support.
    """
    words = []
    effective, count = diagnostics.effective_sample_size, diagnostics.count
    if effective < max(MIN_EFFECTIVE_COUNT, MIN_EFFECTIVE_SHARE * count):
        words.append(f"{count} impressions weigh no more than {effective:.1f}, so that a few decide the value")
    if not mean_weight.low - 1e-9 <= 1 <= mean_weight.high + 1e-9:
        words.append(
            f"the mean weight is {mean_weight.value:.3g} [{mean_weight.low:.3g}, {mean_weight.high:.3g}] and "
            "should be 1, so propensities are wrong or choices of the policy are missing in the log"
        )
    return words


def checked_probabilities(name: str, values: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """`values` as float64 of `shape`.

    Raises:
        DataError: the shape is another, or a value leaves [0, 1].
    """
    probabilities = np.asarray(values, np.float64)
    if probabilities.shape != shape:
        raise DataError(f"{name}: shape {probabilities.shape} for {_rows(shape)}; give one value each")
    wrong = ~((probabilities >= 0) & (probabilities <= 1))
    if wrong.any():
        first = tuple(int(index) for index in np.argwhere(wrong)[0])
        where = f"impression {first[0]}" if len(shape) == 1 else f"slate {first[0]}, position {first[1] + 1}"
        raise DataError(f"{name}: {where} has {probabilities[first]}; give probabilities in [0, 1]")
    return probabilities


def _rows(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} impressions" if len(shape) == 1 else f"slates of shape {shape}"
