"""Training another synthesis for the latents of a codec, whose files then decode with either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.codec import Codec
from vision_components.codec.networks import synthesis
from vision_components.codec.patches import Patches
from vision_components.codec.training import Progress, TrainingPlan, descend, squared_error


def train_decoder(
    codec: Codec,
    pictures: Sequence[NDArray[np.uint8]],
    widths: Sequence[int],
    activation: str = "gdn1",
    plan: TrainingPlan | None = None,
    progress: Progress | None = None,
) -> Codec:
    """A codec with a new decoder of other widths; encoder, tables and so every file stay the same.

    The encoder's part is not trained on, which is cheaper than training everything anew and leaves the rate as it is:
    decoders are then compared by quality alone. A whole codec trained with the narrow decoder would be a little better.

    Args:
        codec: of which the latents are read.
        pictures: uint8 `[height, width, 3]`.
        widths: of the three inner layers.
        activation: `gdn`, `gdn1` or `relu`.
        plan: the distortion weight scales the loss alone.
        progress: told every 20 steps and at the end, with 0 bits per pixel.

    Raises:
        DataError: there are not three widths.
        TrainingError: as `train_codec`.
    """
    if len(widths) != len(codec.design.decoder):
        raise DataError(f"decoder widths {list(widths)}; give {len(codec.design.decoder)}")
    plan = plan or TrainingPlan()
    tf.keras.utils.set_random_seed(plan.seed)
    network = synthesis(codec.design.latents, widths, activation)
    train_synthesis(codec, network, pictures, plan, progress)
    made = {"decoder": list(widths), "decoder_activation": activation, "decoder_plan": asdict(plan)}
    return codec.with_synthesis(network, {**codec.training, **made})


def train_synthesis(
    codec: Codec,
    network: tf.keras.Model,
    pictures: Sequence[NDArray[np.uint8]],
    plan: TrainingPlan,
    progress: Progress | None = None,
) -> None:
    """Train a network in place to draw pictures from a codec's latents; it may have weights already.

    Args:
        codec: of which the latents are read.
        network: float32 `[batch, height, width, latents]` to pictures of 16 times the sides.
        pictures: uint8 `[height, width, 3]`.
        plan: the distortion weight scales the loss alone.
        progress: told every 20 steps and at the end, with 0 bits per pixel.
    """

    def costs(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        latents = tf.numpy_function(lambda shown: codec.latents_of_patches(_whole(shown)), [batch], tf.float32)
        latents.set_shape((None, None, None, codec.design.latents))
        return tf.constant(0.0), squared_error(batch, network(tf.stop_gradient(latents), training=True))

    descend(costs, network.trainable_variables, Patches(pictures, plan.patch, plan.seed), plan, progress)


def _whole(patches: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From 0 to 1 back to 0 to 255."""
    return np.rint(patches * 255).astype(np.uint8)
