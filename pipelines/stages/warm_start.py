"""Where a stage's training starts: from the weights of an earlier bundle, or from new ones, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pipelines.report.start_metrics import StageStart
from pipelines.stages.kept_weights import WEIGHTS_FILE, read_weights
from ranking.moved_inputs import MovedInputs
from ranking.standardisation import Standardisation
from seriatim_errors import DataError

START_FILE = "start.json"


class WarmStart(BaseModel):
    """What a run offers its stages to start from: a bundle's folder, or the reason why there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: Path | None = None
    reason: str = ""


@dataclass(frozen=True)
class StartedWeights:
    """Weights to start from (None: new ones), and what to tell of it."""

    weights: Sequence[NDArray[np.float32]] | None
    told: StageStart


def started_weights(
    offered: WarmStart,
    stage: str,
    kind: str,
    features: tuple[str, ...],
    standardisation: Standardisation,
    fitting: Callable[[Sequence[NDArray[np.float32]], MovedInputs], Sequence[NDArray[np.float32]] | None],
) -> StartedWeights:
    """The weights that a stage starts from.

    Args:
        offered: by the run.
        stage: folder of the stage in a bundle.
        kind: see `KeptWeights`.
        features, standardisation: of this run.
        fitting: makes an earlier model's weights this one's; None where their shapes differ.
    """
    if offered.bundle is None:
        return StartedWeights(None, StageStart(reason=offered.reason))
    version = offered.bundle.name
    try:
        kept = read_weights(offered.bundle / stage / WEIGHTS_FILE)
    except DataError as error:
        return StartedWeights(None, StageStart(reason=f"bundle {version}: {error}"))
    moved = kept.moved_to(kind, features, standardisation)
    if isinstance(moved, str):
        return StartedWeights(None, StageStart(reason=f"bundle {version} does not fit: {moved}"))
    weights = fitting(kept.weights, moved)
    if weights is None:
        return StartedWeights(None, StageStart(reason=f"bundle {version} does not fit: its weights have other shapes"))
    return StartedWeights(weights, StageStart(version=version))
