"""How well a network, alone and with the filter, finds the skies of labelled photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.sky import metrics
from vision_components.sky.inpainting import SKY, UNLABELLED
from vision_components.sky.labelled_photos import LabelledPhoto
from vision_components.sky.network import SkyNetwork
from vision_components.sky.photo import SkySettings, refined_probability, sky_probability
from vision_components.sky.resampling import resized_plane

MEASURES: dict[str, Callable[..., float]] = {
    "iou": metrics.intersection_over_union,
    "misclassification": metrics.misclassification,
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "boundary_loss": metrics.boundary_loss,
    "js_divergence": metrics.jensen_shannon_divergence,
    "band_error": metrics.boundary_band_error,
}
Mask = NDArray[np.floating[Any]]


def measured(mask: Mask, truth: Mask, where: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """All measures of one mask by name."""
    return {name: measure(mask, truth, where) for name, measure in MEASURES.items()}


def mean_measures(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    """Means over photos, each without the photos for which it is not a number.

    Raises:
        DataError: there are no rows.
    """
    table = list(rows)
    if not table:
        raise DataError("there are no photos to measure; give one or more with labelled pixels")
    columns = {name: np.array([row[name] for row in table]) for name in table[0]}
    return {
        name: float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")
        for name, values in columns.items()
    }


def evaluate(
    network: SkyNetwork, photos: Iterable[LabelledPhoto], settings: SkySettings | None = None
) -> dict[str, dict[str, float]]:
    """Mean measures over labelled photos, at their own size and over their labelled pixels.

    Args:
        network: finds the sky.
        photos: those without a labelled pixel are left out.
        settings: of the filter.

    Returns:
        `enlarged`, for the network's answer enlarged bilinearly, and `filtered`, for that refined.

    Raises:
        DataError: no photo has a labelled pixel.
    """
    settings = settings or SkySettings()
    rows: dict[str, list[dict[str, float]]] = {"enlarged": [], "filtered": []}
    for photo in photos:
        known = photo.labels != UNLABELLED
        if not known.any():
            continue
        truth = (photo.labels == SKY).astype(np.float32)
        probability = sky_probability(photo.pixels, network)
        filtered = refined_probability(photo.pixels, probability, settings)
        for name, mask in (("enlarged", probability), ("filtered", filtered)):
            rows[name].append(measured(np.clip(resized_plane(mask, *truth.shape), 0, 1), truth, known))
    return {name: mean_measures(table) for name, table in rows.items()}
