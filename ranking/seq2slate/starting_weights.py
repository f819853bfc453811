"""Start a model from an earlier one's weights, whatever its features were standardised with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranking.moved_inputs import MovedInputs
from ranking.seq2slate.encoders import LstmEncoder
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.settings import Seq2SlateSettings


def starting_weights(
    weights: Sequence[NDArray[np.float32]], moved: MovedInputs, settings: Seq2SlateSettings
) -> list[NDArray[np.float32]] | None:
    """An earlier model's weights for a new one that decides as it did, on newly standardised features.

    Features enter in three places: the encoder's and the decoder's first kernels, whose biases take the shift; the
    learned first input `go`, which stands for an item; and the nearness' scales.

    Args:
        weights: of the earlier model, in the order of `Seq2Slate.get_weights`.
        moved: from its standardisation to the new one.
        settings: of the new model.

    Returns:
        Weights in that order; None where the new model has others.
    """
    model = Seq2Slate.from_settings(len(moved.ratio), settings)
    if [np.shape(weight) for weight in weights] != [weight.shape for weight in model.get_weights()]:
        return None
    model.set_weights(list(weights))
    reading_in = model.encoder.lstm.cell if isinstance(model.encoder, LstmEncoder) else model.encoder.read_in
    for layer in (reading_in, model.decoder):
        kernel = layer.kernel.numpy()
        layer.kernel.assign(moved.kernel(kernel))
        # Of an LSTM the kernel holds all four gates side by side, as its bias does.
        layer.bias.assign_add(moved.bias(kernel))
    model.first_input.assign(moved.item(model.first_input.numpy()))
    if model.nearness.levels:
        model.nearness.feature_scale.assign(moved.axis_scale(model.nearness.feature_scale.numpy()))
    moved_weights: list[NDArray[np.float32]] = model.get_weights()
    return moved_weights
