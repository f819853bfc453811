"""The decoder's network as an ONNX graph for pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError

LATENTS, PICTURE = "latents", "picture"
OPSET = 15
TOLERANCE = 1e-4
# Two sizes, so that a graph which kept the one it was traced with is seen.
SIZES = ((2, 3), (5, 4))


def export_decoder(synthesis: tf.keras.Model, path: Path) -> None:
    """Write the graph `latents` float32 `[batch, height, width, channels]` to `picture`, about 0 to 1.

    Raises:
        DataError: the network cannot be converted, or the graph differs from it by more than 1e-4.
    """
    # Takes seconds to import, which whoever only codes need not wait for.
    import tf2onnx

    channels = int(synthesis.input_shape[-1])
    signature = [tf.TensorSpec((None, None, None, channels), tf.float32, name=LATENTS)]

    def draw(latents: tf.Tensor) -> tf.Tensor:
        return tf.identity(synthesis(latents, training=False), name=PICTURE)

    try:
        function = tf.function(draw, input_signature=signature, autograph=False)
        tf2onnx.convert.from_function(function, signature, opset=OPSET, output_path=str(path))
        drawn = onnx_decoder(path)
    except Exception as error:
        raise DataError(f"{synthesis.name} cannot be converted to ONNX: {error}") from error
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        latents = rng.normal(0, 3, (2, height, width, channels)).astype(np.float32)
        expected = synthesis(latents, training=False).numpy()
        off = float(np.abs(drawn(latents) - expected).max())
        # Not "off > allowed": nothing compares as greater where a value is not a number.
        if not off <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise DataError(f"{path} differs from {synthesis.name} by {off:.1e} in ONNX Runtime")


def onnx_decoder(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The graph as a function of arrays, in ONNX Runtime on the processor."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output = session.get_outputs()[0].name
    source = session.get_inputs()[0].name
    return lambda latents: session.run([output], {source: latents.astype(np.float32, copy=False)})[0]
