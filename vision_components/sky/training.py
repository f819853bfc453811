"""Training a sky network: cross-entropy over what is labelled, on photos cut, mirrored and in another light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from vision_components.sky.labelled_photos import SkyExamples

# The smallest part of a photo that is cut out, and how far light and colours are changed.
SMALLEST_CUT, GAMMAS, GAINS = 0.65, (0.7, 2.2), (0.85, 1.15)


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train.

    Attributes:
        steps: batches.
        batch_size: photos in each.
        learning_rate: the largest learning rate; it falls to nothing along a cosine.
        seed: of order, cuts and light; initial weights are the model's own.
    """

    steps: int = 1500
    batch_size: int = 8
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name} {getattr(self, name)}; give more than 0")


def train(
    model: tf.keras.Model,
    examples: SkyExamples,
    settings: TrainingSettings | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train a model in place.

    Args:
        model: as `unet` makes it, for images of the examples' side.
        examples: what to learn from.
        settings: how long and how fast.
        on_step: called after each step with its number, from 1, and its loss.

    Returns:
        The loss of each step: mean binary cross-entropy over labelled pixels.

    Raises:
        TrainingError: the sizes differ, nothing is labelled, only one of sky and ground is, or the loss is not finite.
    """
    settings = settings or TrainingSettings()
    _check(model, examples)
    rng = np.random.default_rng(settings.seed)
    optimizer = tf.keras.optimizers.Adam(
        tf.keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    )
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(photos: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            lost = tf.keras.losses.binary_crossentropy(targets, model(photos, training=True))
            loss = tf.reduce_sum(lost * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    losses: list[float] = []
    order = np.empty(0, np.int64)
    for number in range(1, settings.steps + 1):
        while len(order) < settings.batch_size:
            order = np.concatenate([order, rng.permutation(len(examples))])
        rows, order = order[: settings.batch_size], order[settings.batch_size :]
        losses.append(float(step(*varied(examples, rows, rng))))
        if not np.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss of step {number} is {losses[-1]}; give a lower learning_rate than {settings.learning_rate}"
            )
        if on_step is not None:
            on_step(number, losses[-1])
    return losses


def varied(
    examples: SkyExamples, rows: NDArray[np.int64], rng: np.random.Generator
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A batch of photos, each cut, mirrored half the time, and in another light.

    Args:
        examples: to choose from.
        rows: which ones.
        rng: source of chance.

    Returns:
        Photos float32 `[n, side, side, 3]` of 0 to 255; targets `[n, side, side, 1]` and weights `[n, side, side]`,
        both of 0 to 1.
    """
    count, side = len(rows), examples.photos.shape[1]
    scale = rng.uniform(SMALLEST_CUT, 1, (count, 1))
    corner = rng.uniform(0, 1, (count, 2)) * (1 - scale)
    boxes = np.concatenate([corner, corner + scale], axis=1)
    mirrored = rng.random(count) < 0.5
    boxes[mirrored] = boxes[mirrored][:, [0, 3, 2, 1]]
    planes = [examples.photos[rows], examples.targets[rows, ..., np.newaxis], examples.weights[rows, ..., np.newaxis]]
    stacked = tf.cast(np.concatenate(planes, axis=-1), tf.float32) / 255
    cut = tf.image.crop_and_resize(stacked, boxes.astype(np.float32), tf.range(count), (side, side))
    gamma = rng.uniform(*GAMMAS, (count, 1, 1, 1)).astype(np.float32)
    gains = rng.uniform(*GAINS, (count, 1, 1, 3)).astype(np.float32)
    photos = tf.clip_by_value(tf.pow(tf.maximum(cut[..., :3], 0), gamma) * gains, 0, 1) * 255
    return photos, cut[..., 3:4], cut[..., 4]


def _check(model: tf.keras.Model, examples: SkyExamples) -> None:
    side = examples.photos.shape[1]
    if tuple(model.input_shape[1:3]) != (side, side):
        raise TrainingError(f"{model.name} reads {model.input_shape[1:3]} pixels, the examples have {side}; give one")
    known = examples.targets[examples.weights > 127]
    if not len(known) or known.max() <= 127 or known.min() > 127:
        raise TrainingError("the masks do not show both sky (255) and ground (0); add photos that do")
