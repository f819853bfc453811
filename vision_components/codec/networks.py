"""The four networks of a codec as Keras models that read pictures of any size divisible by 64."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from vision_components.codec.design import PICTURE_CHANNELS, CodecDesign
from vision_components.codec.gdn import activation

MIDDLE = 0.5
# Latents begin some ten times as large as usual initialisation has them, or most would be rounded to 0 for hundreds of
# steps; who reads them divides by it again.
LATENT_GAIN, HYPER_GAIN = 10.0, 3.0


def analysis(design: CodecDesign) -> tf.keras.Model:
    """Pictures float `[batch, height, width, 3]` of 0 to 1 to latents `[batch, height / 16, width / 16, latents]`."""
    picture = tf.keras.Input((None, None, PICTURE_CHANNELS), name="picture")
    # Centred, so that the zeros which convolutions pad with are a middle grey.
    values = tf.keras.layers.Rescaling(1.0, -MIDDLE, name="centred")(picture)
    for place, width in enumerate(design.encoder):
        values = _conv(width, 5, 2, f"down_{place}")(values)
        values = activation(design.encoder_activation, name=f"normalise_{place}")(values)
    latents = _conv(design.latents, 5, 2, "latents", gain=LATENT_GAIN)(values)
    return tf.keras.Model(picture, latents, name="analysis")


def hyper_analysis(design: CodecDesign) -> tf.keras.Model:
    """Latents to hyper-latents `[batch, height / 64, width / 64, hyper_encoder[-1]]`."""
    latents = tf.keras.Input((None, None, design.latents), name="latents")
    first, second, last = design.hyper_encoder
    values = _conv(first, 3, 1, "conv_0", "relu", 1 / LATENT_GAIN)(latents)
    values = _conv(second, 5, 2, "conv_1", "relu")(values)
    values = _conv(last, 5, 2, "hyper_latents", gain=HYPER_GAIN)(values)
    return tf.keras.Model(latents, values, name="hyper_analysis")


def hyper_synthesis(design: CodecDesign) -> tf.keras.Model:
    """Hyper-latents to `[batch, height / 16, width / 16, 2 * latents]`: means, then what scales are made of."""
    hyper = tf.keras.Input((None, None, design.hyper_encoder[-1]), name="hyper_latents")
    values = hyper
    for place, width in enumerate(design.hyper_decoder):
        values = _up(width, f"up_{place}", "relu", 1.0 if place else 1 / HYPER_GAIN)(values)
    return tf.keras.Model(hyper, _conv(2 * design.latents, 3, 1, "parameters")(values), name="hyper_synthesis")


def synthesis(
    latents: int, widths: Sequence[int], activation_name: str = "gdn1", size: tuple[int, int] | None = None
) -> tf.keras.Model:
    """Latents `[batch, height, width, latents]` to pictures `[batch, 16 height, 16 width, 3]`, about 0 to 1.

    Args:
        latents: channels that it reads.
        widths: of its three inner layers.
        activation_name: `gdn`, `gdn1` or `relu`.
        size: height and width of the latents where they are to be fixed.
    """
    read = tf.keras.Input((*(size or (None, None)), latents), name="latents")
    values = read
    for place, width in enumerate(widths):
        values = _up(width, f"up_{place}", gain=1.0 if place else 1 / LATENT_GAIN)(values)
        values = activation(activation_name, inverse=True, name=f"normalise_{place}")(values)
    values = _up(PICTURE_CHANNELS, "colours")(values)
    return tf.keras.Model(read, tf.keras.layers.Rescaling(1.0, MIDDLE, name="picture")(values), name="synthesis")


def _conv(
    width: int, size: int, strides: int, name: str, kind: str | None = None, gain: float = 1.0
) -> tf.keras.layers.Layer:
    # Values keep their spread from layer to layer.
    start = tf.keras.initializers.VarianceScaling(gain**2, "fan_in", "uniform")
    return tf.keras.layers.Conv2D(width, size, strides, "same", activation=kind, kernel_initializer=start, name=name)


def _up(width: int, name: str, kind: str | None = None, gain: float = 1.0) -> tf.keras.layers.Layer:
    # An output of stride 2 reads a quarter of the taps. Keras calls the inputs of these kernels their outputs.
    start = tf.keras.initializers.VarianceScaling(4 * gain**2, "fan_out", "uniform")
    return tf.keras.layers.Conv2DTranspose(width, 5, 2, "same", activation=kind, kernel_initializer=start, name=name)
