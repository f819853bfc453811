"""Training a codec: rate plus weighted distortion, on patches of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from vision_components.codec.codec import Codec, EntropyModel
from vision_components.codec.density import FactorisedDensity, bits, normal_likelihood, scales_at
from vision_components.codec.design import CodecDesign
from vision_components.codec.entropy_tables import density_table, normal_table
from vision_components.codec.fixed_point import FIRST_PLACE, PLACES_PER_UNIT, FixedPointHyperDecoder
from vision_components.codec.networks import analysis, hyper_analysis, hyper_synthesis, synthesis
from vision_components.codec.patches import Patches

REPORT_EVERY = 20
LAST_RATE = 0.01
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class TrainingPlan:
    """How long and towards what a codec is trained.

    Attributes:
        distortion_weight: lambda of bits per pixel + lambda * mean squared error on 0 to 255; larger means better
            pictures in more bytes. 0.002 to 0.05 span about 0.2 to 1.5 bits per pixel.
        steps: of Adam.
        batch_size: patches a step.
        patch: pixels on a side, divisible by 64.
        learning_rate: of the first step; it falls to a hundredth along a half cosine.
        seed: of weights, noise and patches.
    """

    distortion_weight: float = 0.01
    steps: int = 6000
    batch_size: int = 8
    patch: int = 128
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `TrainingError` where a number is not above 0."""
        for name, value in asdict(self).items():
            if name != "seed" and not (value > 0 and math.isfinite(value)):
                raise TrainingError(f"{name} {value}; give a number above 0")


@dataclass(frozen=True)
class TrainingState:
    """Where a training is: `step` of the plan's, with the last batch's bits per pixel (0 for a decoder) and PSNR."""

    step: int
    bits_per_pixel: float
    psnr: float


Progress = Callable[[TrainingState], None]


def train_codec(
    pictures: Sequence[NDArray[np.uint8]],
    design: CodecDesign | None = None,
    plan: TrainingPlan | None = None,
    progress: Progress | None = None,
) -> Codec:
    """A codec trained from scratch.

    The rate is that of latents with uniform noise of width 1, the distortion that of rounded ones, whose gradient
    passes as if nothing were rounded (Minnen and Singh, arXiv 2007.08739).

    Args:
        pictures: uint8 `[height, width, 3]`, at least one as large as a patch.
        design: of the networks, by default 64 channels with 96 latents.
        plan: by default 6000 steps.
        progress: told every 20 steps and at the end.

    Raises:
        TrainingError: the plan or the pictures do not do, or the loss became no number.
    """
    design, plan = design or CodecDesign(), plan or TrainingPlan()
    tf.keras.utils.set_random_seed(plan.seed)
    trained = TrainableCodec(design)
    patches = Patches(pictures, plan.patch, plan.seed)
    state = descend(lambda batch: trained.costs(batch), trained.variables, patches, plan, progress)
    return trained.frozen({**asdict(plan), "pictures": len(pictures), "bits_per_pixel": state.bits_per_pixel})


class TrainableCodec:
    """The four networks of a design and the density of hyper-latents, with random weights at first."""

    def __init__(self, design: CodecDesign) -> None:
        self.design = design
        self.analysis, self.hyper_analysis = analysis(design), hyper_analysis(design)
        self.hyper_synthesis = hyper_synthesis(design)
        self.synthesis = synthesis(design.latents, design.decoder, design.decoder_activation)
        self.density = FactorisedDensity()
        self.density.build((None, design.hyper_encoder[-1]))

    @property
    def variables(self) -> list[tf.Variable]:
        """All that is trained."""
        networks = (self.analysis, self.hyper_analysis, self.hyper_synthesis, self.synthesis, self.density)
        return [variable for network in networks for variable in network.trainable_variables]

    def costs(self, pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Bits per pixel and mean squared error on 0 to 255 of pictures float32 `[batch, height, width, 3]` of 0 to 1.

        Sides must be divisible by 64.
        """
        latents = self.analysis(pictures, training=True)
        hyper = self.hyper_analysis(latents, training=True)
        said = self.hyper_synthesis(_rounded(hyper), training=True)
        means, places = tf.split(said, 2, axis=-1)
        scales = scales_at(FIRST_PLACE + PLACES_PER_UNIT * places)
        rate = bits(self.density(_noisy(hyper))) + bits(normal_likelihood(_noisy(latents), means, scales))
        drawn = self.synthesis(means + _rounded(latents - means), training=True)
        pixels = tf.cast(tf.reduce_prod(tf.shape(pictures)[:3]), tf.float32)
        return rate / pixels, squared_error(pictures, drawn)

    def frozen(self, training: dict[str, float]) -> Codec:
        """The codec with its tables made and its hyper-decoder in whole numbers."""
        entropy = EntropyModel(
            FixedPointHyperDecoder.of(self.hyper_synthesis),
            density_table(self.density, self.design.hyper_encoder[-1]),
            normal_table(),
        )
        return Codec(self.design, self.analysis, self.hyper_analysis, self.synthesis, entropy, training)


def descend(
    costs: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    variables: list[tf.Variable],
    patches: Patches,
    plan: TrainingPlan,
    progress: Progress | None,
) -> TrainingState:
    """Minimise bits per pixel + lambda * squared error with Adam; the state at the end.

    Args:
        costs: patches float32 of 0 to 1 to bits per pixel and squared error on 0 to 255.
        variables: to change.
        patches: to draw from.
        plan: of the training.
        progress: told every 20 steps and at the end.

    Raises:
        TrainingError: the loss became no number.
    """
    rate = tf.keras.optimizers.schedules.CosineDecay(plan.learning_rate, plan.steps, LAST_RATE)
    optimizer = tf.keras.optimizers.Adam(rate, global_clipnorm=LARGEST_GRADIENT)

    @tf.function(autograph=False)
    def step(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            bits_per_pixel, error = costs(tf.cast(batch, tf.float32) / 255)
            loss = bits_per_pixel + plan.distortion_weight * error
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return bits_per_pixel, error

    state = TrainingState(0, 0.0, 0.0)
    for number in range(1, plan.steps + 1):
        rated, error = step(tf.constant(patches.batch(plan.batch_size)))
        if number % REPORT_EVERY == 0 or number == plan.steps:
            decibels = -10 * math.log10(max(float(error), 1e-9) / 255**2)
            state = TrainingState(number, float(rated), decibels)
            if not math.isfinite(state.bits_per_pixel + state.psnr):
                raise TrainingError(f"the loss is no number at step {number}; give a lower learning rate")
            if progress is not None:
                progress(state)
    return state


def squared_error(pictures: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Mean squared error on a scale of 0 to 255 of pictures on one of 0 to 1."""
    return 255.0**2 * tf.reduce_mean(tf.math.squared_difference(pictures, drawn))


def _noisy(values: tf.Tensor) -> tf.Tensor:
    return values + tf.random.uniform(tf.shape(values), -0.5, 0.5)


def _rounded(values: tf.Tensor) -> tf.Tensor:
    return values + tf.stop_gradient(tf.round(values) - values)
