"""Searching the widths of a codec's decoder under budgets of its work (Johnston et al., arXiv 1912.08771)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from vision_components.codec.codec import Codec
from vision_components.codec.decoder_training import latents_of_patches
from vision_components.codec.design import LATENT_STRIDE, PICTURE_CHANNELS
from vision_components.codec.networks import synthesis
from vision_components.codec.patches import Patches
from vision_components.codec.training import TrainingPlan, squared_error
from vision_components.structure import ChannelGraph, FLOPs
from vision_components.structure.figs import SearchSettings, figs

# Steps between two moves of the target and of the gates' temperature.
EPOCH = 50


def search_decoder(
    codec: Codec,
    pictures: Sequence[NDArray[np.uint8]],
    shares: Sequence[float],
    plan: TrainingPlan | None = None,
    settings: SearchSettings | None = None,
) -> list[tuple[int, ...]]:
    """Widths of narrower decoders, from gates on the channels of the codec's own.

    The search goes on from the codec's decoder, whose weights it does not change, with the distortion of pictures drawn
    from coded latents and the multiply-adds of transposed convolutions (on their input's grid) and of normalisation.
    Train what it finds with `train_decoder`.

    Args:
        codec: with a wide decoder as `networks.synthesis` makes it.
        pictures: uint8 `[height, width, 3]`.
        shares: of the decoder's work, rising; each network lies within the next.
        plan: of the training; its steps are those of the search.
        settings: of the search; its epochs follow from the steps.

    Raises:
        TrainingError: there are fewer steps than one epoch of 50, or the pictures do not do.
        DataError: shares are out of range, do not rise or cannot be met.
    """
    plan = plan or TrainingPlan()
    if plan.steps < EPOCH:
        raise TrainingError(f"steps {plan.steps} of a search; give {EPOCH} or more")
    given = settings or SearchSettings()
    chosen = SearchSettings(**{**vars(given), "epochs": plan.steps // EPOCH, "seed": plan.seed})
    side = plan.patch // LATENT_STRIDE
    widths = [layer.filters for layer in inner_layers(codec.synthesis)]
    network = synthesis(codec.design.latents, widths, activation_of(codec.synthesis), (side, side))
    network.set_weights(codec.synthesis.get_weights())
    patches = Patches(pictures, plan.patch, plan.seed)

    def batches() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for _ in range(EPOCH):
            shown = patches.batch(plan.batch)
            yield latents_of_patches(codec, shown), shown.astype(np.float32) / 255

    drawn = (plan.batch, plan.patch, plan.patch, PICTURE_CHANNELS)
    read = (plan.batch, side, side, codec.design.latents)
    data = tf.data.Dataset.from_generator(
        batches, output_signature=(tf.TensorSpec(read, tf.float32), tf.TensorSpec(drawn, tf.float32))
    )
    tf.keras.utils.set_random_seed(plan.seed)

    def distortion(shown: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        return plan.distortion_weight * squared_error(shown, answer)

    found = figs(FLOPs(ChannelGraph(network)), data, shares, chosen, loss=distortion)
    return [
        tuple(layer.filters for layer in inner_layers(found.small(place, fresh=True))) for place in range(len(shares))
    ]


def inner_layers(network: tf.keras.Model) -> list[tf.keras.layers.Conv2DTranspose]:
    """The transposed convolutions of a decoder but the last, which makes colours."""
    return [layer for layer in network.layers if isinstance(layer, tf.keras.layers.Conv2DTranspose)][:-1]


def activation_of(network: tf.keras.Model) -> str:
    """The kind of a decoder's activation: `gdn`, `gdn1` or `relu`."""
    kind = network.get_layer("normalise_0")
    if isinstance(kind, tf.keras.layers.ReLU):
        return "relu"
    return "gdn" if kind.alpha == 2 else "gdn1"
