"""A network on a large picture piece by piece, so that memory does not grow with the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
# In latents, of 16 pixels each. Four 5x5 layers of stride 2 see 45 pixels or 3 latents to each side.
TILE, HALO = 64, 4


def in_tiles(
    network: Network,
    values: NDArray[np.float32],
    per_input: int,
    per_output: int,
    tile: int = TILE,
    halo: int = HALO,
) -> NDArray[np.float32]:
    """What a network says about the whole input, from overlapping pieces; a small input is one piece.

    Away from the input's edges a piece sees all that its kept part depends on where the halo is as wide as the network
    sees; at the edges every piece pads as the whole would.

    Args:
        network: `[1, height, width, channels]` to the same with sides scaled by `per_output / per_input`.
        values: `[height, width, channels]`, sides divisible by `per_input`.
        per_input: input values on a side of a cell of the grid on which pieces lie.
        per_output: output values on a side of that cell.
        tile: cells on a side of a piece.
        halo: cells around it.

    Returns:
        `[height, width, channels]` of the output.
    """
    rows, columns = (side // per_input for side in values.shape[:2])
    if max(rows, columns) <= tile + halo:
        return network(values[np.newaxis])[0]
    strips = []
    for top in range(0, rows, tile):
        strip = []
        for left in range(0, columns, tile):
            high, low = max(0, top - halo), min(rows, top + tile + halo)
            west, east = max(0, left - halo), min(columns, left + tile + halo)
            piece = values[high * per_input : low * per_input, west * per_input : east * per_input]
            said = network(piece[np.newaxis])[0]
            down, right = (top - high) * per_output, (left - west) * per_output
            strip.append(said[down : down + tile * per_output, right : right + tile * per_output])
        strips.append(_fit(np.concatenate(strip, axis=1), 1, columns * per_output))
    return _fit(np.concatenate(strips), 0, rows * per_output)


def _fit(values: NDArray[np.float32], axis: int, size: int) -> NDArray[np.float32]:
    """The last piece keeps its far halo where the grid ends within it."""
    return np.take(values, range(size), axis=axis) if values.shape[axis] > size else values
