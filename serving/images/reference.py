"""The cascade as its definition reads, one image at a time: slow, plain, the oracle of the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.images.confidence import confidence_of
from serving.images.decoding import resized
from serving.images.manifest import CascadeManifest
from serving.images.rows import ImageScore
from serving.images.stage_graph import StageGraph


class NumpyCascade:
    """Scores slowly and plainly.

    Args:
        manifest: `cascade.json`.
        graphs: of its stages.
    """

    def __init__(self, manifest: CascadeManifest, graphs: Sequence[StageGraph]) -> None:
        self.manifest, self.graphs = manifest, graphs

    def score(self, image: NDArray[np.uint8]) -> ImageScore:
        """The score of one image, uint8 `[height, width, 3]`, for which every stage is run."""
        return self.stage_scores(image)[self.exit_stage(image)]

    def exit_stage(self, image: NDArray[np.uint8]) -> int:
        """The first stage whose confidence reaches its threshold, or the last."""
        for stage, score in enumerate(self.stage_scores(image)):
            threshold = self.manifest.stages[stage].threshold
            if threshold is not None and np.float32(score.confidence) >= np.float32(threshold):
                return stage
        return len(self.graphs) - 1

    def stage_scores(self, image: NDArray[np.uint8]) -> list[ImageScore]:
        """What the cascade would say if it ended at each of its stages."""
        scores: list[ImageScore] = []
        said: list[NDArray[np.float32]] = []
        for stage, graph in enumerate(self.graphs):
            answer = graph.run([resized(image, graph.size)])
            said.append(answer.probabilities[0])
            combined = np.mean(said, axis=0, dtype=np.float32) if self.manifest.combine == "mean" else said[-1]
            confidence = float(confidence_of(combined[None], self.manifest.confidence)[0])
            scores.append(ImageScore(combined, answer.embeddings[0], confidence, stage))
        return scores
