"""A stage's weights as they lie in a bundle for later runs to start from, with what they read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranking.moved_inputs import MovedInputs
from ranking.standardisation import Standardisation
from seriatim_errors import DataError

WEIGHTS_FILE = "weights.npz"
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class KeptWeights:
    """Weights of one stage.

    Attributes:
        kind: what they are of, such as `seq2slate lstm`.
        features: names of the columns that they read, in order.
        standardisation: of those columns.
        constant: bool `[features]`, of which the training data had one value alone.
        weights: float32 arrays in the stage's own order.
    """

    kind: str
    features: tuple[str, ...]
    standardisation: Standardisation
    constant: NDArray[np.bool_]
    weights: Sequence[NDArray[np.float32]]

    def moved_to(self, kind: str, features: tuple[str, ...], now: Standardisation) -> MovedInputs | str:
        """How the inputs have moved for a stage of `kind` on `features`; a reason where it cannot start from these."""
        if self.kind != kind:
            return f"it is of {self.kind}, this stage of {kind}"
        if self.features != features:
            own, other = set(features), set(self.features)
            differing = sorted(own ^ other)
            return f"it reads other features ({', '.join(differing) if differing else 'in another order'})"
        if self.standardisation.log1p != now.log1p:
            return "its transform.kind is another"
        return MovedInputs.between(self.standardisation, now, self.constant)


def constant_columns(standardised: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Columns of one value alone, bool `[features]`, of standardised features `[items, features]`."""
    # A column that varies has a standard deviation of 1.
    return np.ptp(standardised, axis=0) < LEAST_SPREAD


def write_weights(kept: KeptWeights, path: Path) -> None:
    """Write a file that `read_weights` reads."""
    weights = {f"weight_{number}": np.asarray(weight) for number, weight in enumerate(kept.weights)}
    np.savez(
        path,
        kind=kept.kind,
        features=np.array(kept.features),
        mean=kept.standardisation.mean,
        scale=kept.standardisation.scale,
        log1p=kept.standardisation.log1p,
        constant=kept.constant,
        **weights,
    )


def read_weights(path: Path) -> KeptWeights:
    """Read a stage's weights.

    Raises:
        DataError: there are none, or they are not what `write_weights` writes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = [file[f"weight_{number}"] for number in range(sum(name.startswith("weight_") for name in file))]
            standardisation = Standardisation(file["mean"], file["scale"], bool(file["log1p"]))
            names = tuple(map(str, file["features"]))
            return KeptWeights(str(file["kind"]), names, standardisation, file["constant"], weights)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; only bundles made by this release or a later one keep weights") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} holds no weights ({error}); restore the bundle") from None
