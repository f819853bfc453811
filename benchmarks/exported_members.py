"""The members of a pool as ONNX graphs at one thread: what they say about images, and how long they take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from vision_components.committees.members import CascadeStage
from vision_components.export import export_stage
from vision_components.multiply_adds import count_macs

SHOWN, READ_BATCH = 3, 250


@dataclass(frozen=True)
class MemberGraph:
    """A network at one image size.

    Attributes:
        name: of the network, with its image size where it is used at several.
        side: of the images that it reads, in pixels.
        cost: multiply-adds of an image.
        session: of the graph.
    """

    name: str
    side: int
    cost: int
    session: onnxruntime.InferenceSession

    def sized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images as this member reads them, bilinear with antialiasing where they shrink."""
        if pixels.shape[1] == self.side:
            return pixels
        size = (self.side, self.side)
        return np.stack([Image.fromarray(image).resize(size, Image.Resampling.BILINEAR) for image in pixels])

    def probabilities(self, sized: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of one batch, float32 `[rows, classes]`."""
        return self.session.run(["probabilities"], {"images": sized})[0]

    def predicted(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of many images, float32 `[rows, classes]`."""
        sized = self.sized(pixels)
        parts = [self.probabilities(sized[start : start + READ_BATCH]) for start in range(0, len(sized), READ_BATCH)]
        return np.concatenate(parts)


def member_graph(model: tf.keras.Model, name: str, side: int, folder: Path, images: NDArray[np.uint8]) -> MemberGraph:
    """Export a network for one image size, held to Keras on a few images, and open it."""
    path = folder / f"{name}.onnx"
    probe = MemberGraph(name, side, 0, None).sized(images[:SHOWN])
    export_stage(CascadeStage(model), path, probe, with_embedding=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return MemberGraph(name, side, count_macs(model, (side, side, 3)), session)
