"""One-step decoding: the re-ranker's first logits order the whole slate, in a part of the time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.runtime.seq2slate import Placed, Reading, padded
from serving.runtime.sessions import input_axis, open_session

INPUTS = ("features", "mask")
OUTPUTS = ("first_logits",)


class FirstStep:
    """The part of a re-ranker's graph that gives the logits of its first step.

    Source: Bello et al., Seq2Slate, section 3.4 (one-step decoding).

    Raises:
        BundleError: ONNX Runtime cannot load the graph in `path`, or it is not such a part.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, INPUTS, OUTPUTS)
        self.feature_count = input_axis(self._session, "features", 2)

    def place(self, readings: Sequence[Reading]) -> list[Placed | None]:
        """All candidates of each request in the order of their logits; None where the graph overflows.

        A reading with a generator is sampled without replacement from the softmax of the logits over the temperature,
        with the log-probability of each choice; else a place has none of its own (nan).
        """
        logits = self._logits([reading.features for reading in readings])
        return [_placed(row[: len(reading.features)], reading) for row, reading in zip(logits, readings, strict=True)]

    def given_order(
        self, features: NDArray[np.float32], order: NDArray[np.int64], temperature: float
    ) -> NDArray[np.float64]:
        """Log-probability of each choice of `order` given those before it; see `Seq2Slate.given_order`."""
        cooled = self._logits([features])[0].astype(np.float64) / temperature
        waiting = np.ones(len(cooled), bool)
        waiting[order] = False
        whole = np.concatenate([order, np.flatnonzero(waiting)])
        return _step_log_probabilities(cooled[whole])[: len(order)]

    def _logits(self, lists: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        features, mask = padded(lists)
        return self._session.run(OUTPUTS, {"features": features, "mask": mask})[0]


def _placed(logits: NDArray[np.float32], reading: Reading) -> Placed | None:
    if not np.isfinite(logits).all():
        return None
    if reading.rng is None:
        return Placed(np.argsort(-logits, kind="stable"), np.full(len(logits), np.nan))
    cooled = logits.astype(np.float64) / reading.temperature
    order = np.argsort(-(cooled + reading.rng.gumbel(size=len(cooled))), kind="stable")
    return Placed(order, _step_log_probabilities(cooled[order]))


def _step_log_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each choice among what is left, when `logits` stand in the order of the choices."""
    return logits - np.logaddexp.accumulate(logits[::-1])[::-1]
