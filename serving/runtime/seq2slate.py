"""The re-ranker: an ONNX graph that places items one after another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.runtime.sessions import input_axis, open_session

INPUTS = ("features", "mask", "noise", "temperature")
OUTPUTS = ("order", "log_probabilities", "first_logits")


class Placed(NamedTuple):
    """Rows chosen step by step, and the log-probability of each choice given the ones before."""

    order: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]


class Seq2Slate:
    """Places up to `slate_size` of the first `max_list_size` candidates, which come in base order.

    Raises:
        BundleError: ONNX Runtime cannot load the graph in `path`, or it is not a re-ranker's of that slate size.
    """

    def __init__(self, path: Path, slate_size: int, max_list_size: int, decoding: str) -> None:
        self._session = open_session(path, INPUTS, OUTPUTS)
        steps = input_axis(self._session, "noise", 1)
        if steps != slate_size:
            raise BundleError(f"{path} places {steps} items, the manifest says {slate_size}; use another version")
        self.feature_count = input_axis(self._session, "features", 2)
        self.slate_size, self.max_list_size, self.decoding = slate_size, max_list_size, decoding

    def place(self, matrix: NDArray[np.float32]) -> Placed:
        """The deterministic slate of raw features float32 `[candidates, features]`.

        Raises:
            OverflowError: the graph overflows on these features.
        """
        noise = np.zeros((1, self.slate_size, len(matrix)), np.float32)
        order, log_probabilities, first = self._run(matrix, noise, 1.0)
        if self.decoding == "one_step":
            # Sorting by the first step's logits; a later place has no probability of its own.
            order = np.argsort(-first, kind="stable")
            return Placed(order, np.full(len(order), np.nan))
        return Placed(order[order >= 0], log_probabilities[order >= 0].astype(np.float64))

    def sample(self, matrix: NDArray[np.float32], rng: np.random.Generator, temperature: float) -> Placed:
        """A slate drawn from the model's own distribution at `temperature`, by the Gumbel-max trick.

        Raises:
            OverflowError: the graph overflows on these features.
        """
        noise = rng.gumbel(size=(1, self.slate_size, len(matrix))).astype(np.float32)
        order, log_probabilities, _ = self._run(matrix, noise, temperature)
        return Placed(order[order >= 0], log_probabilities[order >= 0].astype(np.float64))

    def place_batch(
        self, features: NDArray[np.float32], mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Greedy `order` `[batch, steps]` and first-step logits `[batch, list_size]` of many lists at once."""
        noise = np.zeros((len(mask), self.slate_size, mask.shape[1]), np.float32)
        order, first = self._session.run(
            ["order", "first_logits"],
            {"features": features, "mask": mask, "noise": noise, "temperature": np.array(1, np.float32)},
        )
        return order, first

    def _run(
        self, matrix: NDArray[np.float32], noise: NDArray[np.float32], temperature: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        order, log_probabilities, first = self._session.run(
            OUTPUTS,
            {
                "features": matrix[np.newaxis],
                "mask": np.ones((1, len(matrix)), bool),
                "noise": noise,
                "temperature": np.array(temperature, np.float32),
            },
        )
        if not (np.isfinite(log_probabilities).all() and np.isfinite(first).all()):
            raise OverflowError("the features or the temperature are outside what float32 can carry through the graph")
        return order[0], log_probabilities[0], first[0]
