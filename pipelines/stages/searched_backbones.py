"""Further members of a cascade's pool: the largest backbone with widths that a search found, at several budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.figs import FigsSettings, figs
from vision_components.structure.resources import FLOPs

SHUFFLED = 10_000


def searched_backbones(
    build: Callable[[], tf.keras.Model],
    pixels: NDArray[np.uint8],
    classes: NDArray[np.int64],
    shares: Sequence[float],
    epochs: int,
    batch_size: int,
    seed: int,
) -> list[tf.keras.Model]:
    """Untrained networks within shares of a backbone's FLOPs, each narrower one within the next (FiGS).

    Args:
        build: makes the untrained backbone, with heads `logits` and `embedding`.
        pixels: uint8 `[rows, side, side, 3]`.
        classes: `[rows]`.
        shares: rising, above 0 and below 1; none gives no networks.
        epochs: passes over the images.
        batch_size: at most.
        seed: of the weights, the gates and the order.
    """
    if not shares:
        return []
    tf.keras.utils.set_random_seed(seed)
    rows = tf.data.Dataset.from_tensor_slices((pixels, classes)).shuffle(min(len(classes), SHUFFLED), seed)
    batches = rows.batch(min(batch_size, len(classes)), drop_remainder=True).map(
        lambda images, known: (tf.cast(images, tf.float32), {"logits": known})
    )
    loss = {"logits": tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    graph = ChannelGraph(build())
    found = figs(FLOPs(graph), batches, shares, FigsSettings(epochs=epochs, seed=seed), loss=loss)
    return [found.small(place, fresh=True) for place in range(len(shares))]
