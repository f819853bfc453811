"""Start a gate's scorer from an earlier one's weights, whatever its features were standardised with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranking.moved_inputs import MovedInputs
from ranking.rate_constraints.scorer import Scorer


def starting_weights(
    weights: Sequence[NDArray[np.float32]], moved: MovedInputs, hidden_sizes: tuple[int, ...]
) -> list[NDArray[np.float32]] | None:
    """An earlier scorer's weights for a new one that orders items as it did, on newly standardised features.

    The first kernel is moved and its bias takes the shift. A linear scorer has no bias, and needs none: its scores all
    shift alike, and the threshold is set anew.

    Args:
        weights: of the earlier scorer, in the order of `Scorer.weights`.
        moved: from its standardisation to the new one.
        hidden_sizes: hidden layer widths of the new scorer.

    Returns:
        Weights in that order; None where the new scorer has others.
    """
    shapes = [tuple(weight.shape) for weight in Scorer(len(moved.ratio), hidden_sizes, seed=0).weights]
    if [np.shape(weight) for weight in weights] != shapes:
        return None
    kernels, biases = list(weights[: len(hidden_sizes) + 1]), list(weights[len(hidden_sizes) + 1 :])
    if biases:
        biases[0] = biases[0] + moved.bias(kernels[0])
    return [moved.kernel(kernels[0]), *kernels[1:], *biases]
