"""Searching the widths of a codec's decoder: gates on its channels, trained on the latents of the codec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.codec import Codec
from vision_components.codec.design import LATENT_STRIDE
from vision_components.codec.gdn import GDN
from vision_components.codec.networks import synthesis
from vision_components.codec.patches import Patches
from vision_components.codec.training import TrainingPlan, squared_error
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.figs import FigsSettings, figs
from vision_components.structure.resources import FLOPs

EPOCHS = 20


@dataclass(frozen=True)
class SearchedDecoder:
    """A decoder within a budget.

    Attributes:
        budget: share of the whole decoder's multiply-adds that it may cost.
        widths: of its three inner layers.
        network: with the weights that the search left it, to be trained on by `train_synthesis`; or train one of these
            widths from scratch by `train_decoder`.
    """

    budget: float
    widths: tuple[int, int, int]
    network: tf.keras.Model


def search_decoder(
    codec: Codec,
    pictures: Sequence[NDArray[np.uint8]],
    budgets: Sequence[float],
    plan: TrainingPlan | None = None,
    weight: float = 3.0,
) -> list[SearchedDecoder]:
    """Find how wide each layer of a codec's decoder should be at a budget, by gates that are trained with its weights.

    The search begins with the codec's decoder, whose normalisation is cut on both axes of gamma; latents and picture
    keep their channels. The distortion is weighted as in training (Johnston et al., arXiv 1912.08771, with the gates of
    arXiv 2006.09581 in place of shrinking scales).

    Args:
        codec: of which the latents are read; it stays as it is.
        pictures: uint8 `[height, width, 3]`.
        budgets: rising shares of the decoder's multiply-adds, above 0 and below 1.
        plan: steps, batch_size and weight of the distortion; 20 steps at least.
        weight: of the cost while it is above the target.

    Raises:
        DataError: fewer than 20 steps, or budgets that do not rise, are out of range or cannot be met.
        TrainingError: as `train_codec`.
    """
    plan = plan or TrainingPlan()
    if plan.steps < EPOCHS:
        raise DataError(f"steps {plan.steps} of a search; give {EPOCHS} or more")
    tf.keras.utils.set_random_seed(plan.seed)
    network, kind = gated_size(codec, plan.patch)
    data = _batches(codec, Patches(pictures, plan.patch, plan.seed), plan)
    found = figs(
        FLOPs(ChannelGraph(network)),
        data,
        budgets,
        FigsSettings(epochs=EPOCHS, weight=weight, learning_rate=plan.learning_rate, seed=plan.seed),
        loss=lambda shown, drawn: plan.distortion_weight * squared_error(shown, drawn),
        optimizer=tf.keras.optimizers.Adam(plan.learning_rate, global_clipnorm=1.0),
    )
    searched = []
    for place, budget in enumerate(budgets):
        small = found.small(place)
        first, second, third = (small.get_layer(f"up_{number}").filters for number in range(3))
        free = synthesis(codec.design.latents, (first, second, third), kind)
        free.set_weights(small.get_weights())
        searched.append(SearchedDecoder(budget, (first, second, third), free))
    return searched


def gated_size(codec: Codec, patch: int) -> tuple[tf.keras.Model, str]:
    """A copy of the codec's decoder for patches of one size, which a channel graph can cost, and its activation."""
    layers = [codec.synthesis.get_layer(f"up_{number}") for number in range(3)]
    normalise = codec.synthesis.get_layer("normalise_0")
    kind = "relu" if not isinstance(normalise, GDN) else "gdn1" if normalise.alpha == 1 else "gdn"
    side = patch // LATENT_STRIDE
    network = synthesis(codec.design.latents, [layer.filters for layer in layers], kind, (side, side))
    network.set_weights(codec.synthesis.get_weights())
    return network, kind


def _batches(codec: Codec, patches: Patches, plan: TrainingPlan) -> tf.data.Dataset:
    """Latents and pictures; every epoch draws new ones."""
    side = plan.patch // LATENT_STRIDE

    def draw() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for _ in range(math.ceil(plan.steps / EPOCHS)):
            shown = patches.batch(plan.batch_size)
            yield codec.latents_of_patches(shown), shown.astype(np.float32) / 255

    signature = (
        tf.TensorSpec((plan.batch_size, side, side, codec.design.latents), tf.float32),
        tf.TensorSpec((plan.batch_size, plan.patch, plan.patch, 3), tf.float32),
    )
    return tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(2)
