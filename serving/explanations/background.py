"""What explanations of a bundle need besides its stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.bundle.reader import Bundle
from serving.bundle.writer import file_entry
from serving.explanations.contributions import TreeContributions


@dataclass(frozen=True)
class NotExplained:
    """Why a part of an explanation is not there, in words for whoever reads it."""

    reason: str


@dataclass(frozen=True)
class Background:
    """Loaded once a bundle; safe to share between threads.

    Attributes:
        trees: of the base ranker.
        context_reference: float32 `[context]`, usual values of the context's features, which are the same for all
            candidates of a request and can be occluded by another value only; None: they are not occluded.
    """

    trees: TreeContributions | NotExplained
    context_reference: NDArray[np.float32] | None = None


def load_background(bundle: Bundle, context_reference: NDArray[np.float32] | None = None) -> Background:
    """Load the base ranker's trees from the text model: the stage's file, or the one beside its graph."""
    return Background(_trees(bundle), context_reference)


def usual_context(bundle: Bundle) -> NDArray[np.float32]:
    """Mean context of the bundle's golden requests, float32 `[context]`.

    Raises:
        BundleError: there are none, or their file is broken.
    """
    return bundle.golden().context.astype(np.float64).mean(axis=0).astype(np.float32)


def _trees(bundle: Bundle) -> TreeContributions | NotExplained:
    stage = bundle.manifest.stage("base_ranker")
    if stage is None:
        return NotExplained("the bundle has no base ranker")
    name = str(PurePosixPath(stage.file).with_suffix(".txt"))
    path, sealed = bundle.folder / name, bundle.manifest.files.get(name)
    if not path.is_file():
        return NotExplained("the bundle has no text model beside the base ranker's graph")
    # LightGBM may end the process over a file that is not whole.
    if sealed is not None and file_entry(path) != sealed:
        return NotExplained(f"{name} was changed since the bundle was made")
    try:
        return TreeContributions(path, len(bundle.manifest.features.names))
    except BundleError as error:
        return NotExplained(str(error))
