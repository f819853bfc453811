"""Learned weights as a model in raw feature units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.learning.feature_scaling import FeatureScaling
from structured.learning.label_coding import LabelCoding
from structured.learning.label_space import LabelSpace
from structured.learning.pair_tables import pair_tables
from structured.learning.weights import Weights
from structured.model import PairwiseModel


def folded(
    weights: Weights,
    edges: NDArray[np.int64],
    space: LabelSpace,
    scaling: FeatureScaling,
    coding: LabelCoding,
    pair_columns: NDArray[np.int64],
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> PairwiseModel:
    """Take the scaling into the weights, and the contrasts into tables a state.

    Args:
        weights: in scaled features, the constant last, and in coordinates of `space`.
        edges: of the weights.
        space, scaling, coding: as in training.
        pair_columns: features behind the rows of `weights.pair` after the first.
        names: of the features and of the labels.
    """
    scaled = np.einsum("dnq,nkq->dnk", weights.unary, space.basis)
    raw = scaled[:-1] * scaling.scale[:, None, None]
    bias = scaled[-1] - np.tensordot(scaling.shift, raw, axes=1) + space.offset
    tables = pair_tables(weights, edges, space)
    by_unit = tables[1:] * scaling.scale[pair_columns][:, None, None, None]
    return PairwiseModel(
        feature_names=names[0],
        label_names=names[1],
        state_names=coding.names,
        states=space.states,
        unary_weights=raw,
        unary_bias=bias,
        edges=edges,
        pair_tables=tables[0] - np.tensordot(scaling.shift[pair_columns], by_unit, axes=1),
        pair_columns=pair_columns,
        pair_weights=by_unit,
        temperature=float("nan"),
    )
