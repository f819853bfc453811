"""The re-ranker: an ONNX graph that places items one after another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.runtime.sessions import input_axis, open_session

INPUTS = ("features", "mask", "noise", "temperature")
OUTPUTS = ("order", "log_probabilities", "first_logits")
# Far above every logit that is worth the name, far below what float32 can hold.
OUTWEIGHS = np.float32(1e30)


class Placed(NamedTuple):
    """Rows chosen step by step, and the log-probability of each choice given the ones before."""

    order: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]


class Followed(NamedTuple):
    """What the graph did along paths that it was given.

    Attributes:
        order: int64 `[batch, steps]`, the row chosen at each step, -1 where the list was exhausted.
        log_probabilities: float64 `[batch, steps]`, of each choice given the ones before; nan where the graph
            overflows, or could not choose what its path says.
        first_logits: float32 `[batch, list_size]`.
    """

    order: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]
    first_logits: NDArray[np.float32]


class Reading(NamedTuple):
    """One request's candidates as the re-ranker reads them.

    Attributes:
        features: raw, float32 `[candidates, features]`, in base order.
        rng: samples the slate; None takes the best one.
        temperature: of the sampling.
    """

    features: NDArray[np.float32]
    rng: np.random.Generator | None = None
    temperature: float = 1.0


class Seq2Slate:
    """Places up to `slate_size` of the first `max_list_size` candidates, which come in base order.

    Raises:
        BundleError: ONNX Runtime cannot load the graph in `path`, or it is not a re-ranker's of that slate size.
    """

    def __init__(self, path: Path, slate_size: int, max_list_size: int) -> None:
        self._session = open_session(path, INPUTS, OUTPUTS)
        steps = input_axis(self._session, "noise", 1)
        if steps != slate_size:
            raise BundleError(f"{path} places {steps} items, the manifest says {slate_size}; use another version")
        self.feature_count = input_axis(self._session, "features", 2)
        self.slate_size, self.max_list_size = slate_size, max_list_size

    def place(self, readings: Sequence[Reading]) -> list[Placed | None]:
        """A slate a request; None where the graph overflows on its features or temperature.

        Requests of about one length and of one temperature run as one batch: the graph decodes four lists in little
        more than twice the time of one.
        """
        placed: list[Placed | None] = [None] * len(readings)
        for (_, temperature), members in _alike(readings).items():
            features, mask = padded([readings[member].features for member in members])
            noise = np.zeros((len(members), self.slate_size, mask.shape[1]), np.float32)
            for row, member in enumerate(members):
                reading = readings[member]
                if reading.rng is not None:
                    drawn = reading.rng.gumbel(size=(self.slate_size, len(reading.features)))
                    noise[row, :, : len(reading.features)] = drawn
            order, log_probabilities, first = self._run(features, mask, noise, temperature)
            sound = np.isfinite(log_probabilities).all(axis=1) & (np.isfinite(first) | ~mask).all(axis=1)
            for row, member in enumerate(members):
                steps = order[row] >= 0
                chosen = order[row, steps]
                if sound[row] and _all_different(chosen, len(readings[member].features)):
                    placed[member] = Placed(chosen, log_probabilities[row, steps].astype(np.float64))
        return placed

    def given_order(
        self, features: NDArray[np.float32], order: NDArray[np.int64], temperature: float
    ) -> NDArray[np.float64]:
        """Log-probability of each choice of `order` given those before it, were the slate sampled at `temperature`.

        Args:
            features: raw, float32 `[candidates, features]`, in base order, at most `max_list_size`.
            order: int64 `[places]`, rows of `features`, all different, at most `slate_size`.
            temperature: of the sampling.
        """
        path = np.full((1, self.slate_size), -1)
        path[0, : len(order)] = order
        return self.follow(features[np.newaxis], path, temperature).log_probabilities[0, : len(order)]

    def place_batch(
        self, features: NDArray[np.float32], mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Greedy `order` `[batch, steps]` and first-step logits `[batch, list_size]` of many lists at once."""
        noise = np.zeros((len(mask), self.slate_size, mask.shape[1]), np.float32)
        order, _, first = self._run(features, mask, noise, 1.0)
        return order, first

    def follow(self, features: NDArray[np.float32], paths: NDArray[np.int64], temperature: float = 1.0) -> Followed:
        """Decode lists of one length along given paths: teacher forcing with the graph that serves.

        Noise that outweighs every logit makes a choice, and the graph's log-probabilities leave noise out, so they are
        those of the path, exactly.

        Args:
            features: raw, float32 `[batch, list_size, features]`, in base order.
            paths: int64 `[batch, slate_size]`, the row to choose at each step; -1: the best one of what remains.
            temperature: divides the logits.
        """
        batch, list_size = features.shape[:2]
        noise = np.zeros((batch, self.slate_size, list_size), np.float32)
        row, step = np.nonzero(paths >= 0)
        noise[row, step, paths[row, step]] = OUTWEIGHS
        order, log_probabilities, first = self._run(features, np.ones((batch, list_size), bool), noise, temperature)
        astray = np.logical_or.accumulate((paths >= 0) & (order != paths), axis=1)
        return Followed(order, np.where(astray, np.nan, log_probabilities.astype(np.float64)), first)

    def _run(
        self, features: NDArray[np.float32], mask: NDArray[np.bool_], noise: NDArray[np.float32], temperature: float
    ) -> list[NDArray]:
        values = (features, mask, noise, np.array(temperature, np.float32))
        return self._session.run(OUTPUTS, dict(zip(INPUTS, values, strict=True)))


def padded(lists: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Lists of rows as one array `[batch, longest, features]`, zeros behind each, and the mask of what is there."""
    if len(lists) == 1:
        return lists[0][np.newaxis], np.ones((1, len(lists[0])), bool)
    lengths = np.array([len(rows) for rows in lists])
    mask = np.arange(lengths.max()) < lengths[:, np.newaxis]
    features = np.zeros((*mask.shape, lists[0].shape[1]), np.float32)
    for row, rows in enumerate(lists):
        features[row, : len(rows)] = rows
    return features, mask


def _all_different(chosen: NDArray[np.int64], candidates: int) -> bool:
    """Whether every choice is another candidate: logits under that of what is masked let the graph choose that."""
    rows = chosen.tolist()
    return len(set(rows)) == len(rows) and max(rows, default=0) < candidates


def _alike(readings: Sequence[Reading]) -> dict[tuple[int, float], list[int]]:
    """Requests by the power of two above their length, and by temperature."""
    alike: dict[tuple[int, float], list[int]] = defaultdict(list)
    for place, reading in enumerate(readings):
        alike[len(reading.features).bit_length(), reading.temperature].append(place)
    return alike
