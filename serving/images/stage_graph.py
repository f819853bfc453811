"""One stage of a cascade as an ONNX Runtime session that runs batches of fixed sizes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError, ServiceError
from serving.images.manifest import CascadeManifest, InputSize
from serving.images.providers import Provider, execution_providers, missing_provider, with_options
from serving.runtime.sessions import open_session

INPUT, PROBABILITIES, EMBEDDING = "images", "probabilities", "embedding"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageAnswer:
    """What a stage says about a batch.

    Attributes:
        probabilities: float32 `[images, classes]`.
        embeddings: float32 `[images, width]`, of width 0 for a cascade without.
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class StageGraph:
    """A stage's graph, held to what its manifest says.

    Args:
        path: the ONNX graph.
        size: what it reads.
        classes: number of classes.
        embedding_width: 0 for a graph without.
        providers: for ONNX Runtime, with their options.

    Raises:
        BundleError: the graph cannot be loaded, or its input or outputs are not those of a stage.
    """

    def __init__(
        self,
        path: Path,
        size: InputSize,
        classes: int,
        embedding_width: int = 0,
        providers: Sequence[str | tuple[str, dict[str, Any]]] = ("CPUExecutionProvider",),
    ) -> None:
        self.path, self.size, self.classes, self.embedding_width = path, size, classes, embedding_width
        self._outputs = [PROBABILITIES, EMBEDDING] if embedding_width else [PROBABILITIES]
        self._session = open_session(path, [INPUT], self._outputs, providers)
        _require(path, self._session.get_inputs()[0], "tensor(uint8)", (None, size.height, size.width, 3))
        widths = {PROBABILITIES: classes, EMBEDDING: embedding_width}
        for output in self._session.get_outputs():
            _require(path, output, "tensor(float)", (None, widths[output.name]))

    @property
    def providers(self) -> list[str]:
        """What the session runs on; ONNX Runtime leaves out what it could not load."""
        return list(self._session.get_providers())

    def run(self, images: Sequence[NDArray[np.uint8]], bucket: int | None = None) -> StageAnswer:
        """Read a batch.

        Args:
            images: at least one, uint8 `[height, width, 3]` each.
            bucket: images that the graph is given, at least as many; the first image fills the places that are
                left, and what the graph says about them is dropped.

        Raises:
            ServiceError: the graph gives arrays of other shapes than it promised.
        """
        count = len(images)
        batch = np.empty((bucket or count, self.size.height, self.size.width, 3), np.uint8)
        np.stack(images, out=batch[:count])
        batch[count:] = images[0]
        probabilities, *rest = self._session.run(self._outputs, {INPUT: batch})
        embeddings = rest[0] if rest else np.empty((len(batch), 0), np.float32)
        for name, found, width in (
            (PROBABILITIES, probabilities, self.classes),
            (EMBEDDING, embeddings, self.embedding_width),
        ):
            if found.shape != (len(batch), width):
                raise ServiceError(
                    f"{self.path} gives {name} of the shape {list(found.shape)}, expected {[len(batch), width]}; "
                    "use another cascade"
                )
        return StageAnswer(probabilities[:count], embeddings[:count])


def load_stages(
    folder: Path,
    manifest: CascadeManifest,
    buckets: Sequence[int] = (1,),
    provider: Provider = "cpu",
    fallback: bool = False,
) -> tuple[StageGraph, ...]:
    """The graphs of a verified cascade, in order.

    Args:
        folder: of the cascade.
        manifest: its `cascade.json`.
        buckets: batch sizes that they will run with, rising.
        provider: what they run on.
        fallback: whether the next of TensorRT, CUDA and CPU may stand in for a provider that cannot be had.

    Raises:
        BundleError: a graph cannot be loaded or is no stage of this cascade.
        ConfigError: the provider cannot be had and nothing may stand in for it.
    """
    names = execution_providers(provider, fallback)
    graphs = []
    for stage in manifest.stages:
        graph = StageGraph(
            folder / stage.file,
            stage.input_size,
            len(manifest.class_names),
            manifest.embedding_width,
            with_options(names, stage.input_size, buckets),
        )
        # ONNX Runtime goes on without a word that a program reads when a provider's libraries cannot be loaded.
        if names[0] not in graph.providers:
            if not fallback:
                raise missing_provider(provider, graph.providers)
            logger.warning("%s runs on %s: %s could not be loaded", graph.path, graph.providers, names[0])
        graphs.append(graph)
    return tuple(graphs)


def _require(path: Path, entry: Any, kind: str, shape: Sequence[int | None]) -> None:
    """Refuse an input or output of another type or shape; None and unknown axes may have any size."""
    fits = len(entry.shape) == len(shape) and all(
        not isinstance(found, int) if expected is None else found == expected or not isinstance(found, int)
        for found, expected in zip(entry.shape, shape, strict=True)
    )
    if entry.type != kind or not fits:
        wanted = ["batch" if axis is None else axis for axis in shape]
        raise BundleError(
            f"{path}: {entry.name} is {entry.type} {entry.shape}, expected {kind} {wanted} with any number of images; "
            "use another cascade"
        )
