"""Ways to enlarge a coarse sky mask to a photo's size: bilinear, OpenCV's guided filter, ours with weights or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision_components.sky.colours import planes_of, yuv_of
from vision_components.sky.confidence import confidence_of
from vision_components.sky.guided_filter import CELL, EPSILON, guided_filter
from vision_components.sky.photo import cell_for
from vision_components.sky.resampling import resized_plane

BILINEAR, UNWEIGHTED, WEIGHTED = "bilinear", "unweighted", "weighted"
# Windows as wide as our cells, and narrow ones, which do better where the coarse mask is surely wrong.
OPENCV = {"OpenCV": 2, "OpenCV, narrow": 8}
METHODS = (BILINEAR, *OPENCV, UNWEIGHTED, WEIGHTED)


def enlarged(method: str, photo: NDArray[np.uint8], probability: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A probability of any size in the size of a photo uint8 `[h, w, 3]`; None for OpenCV where it is not installed."""
    height, width = photo.shape[:2]
    mask, cell = resized_plane(probability, height, width), cell_for((height, width), CELL)
    if method == BILINEAR:
        return np.clip(mask, 0, 1)
    if method in OPENCV:
        return _by_opencv(photo, mask, max(1, cell // OPENCV[method]))
    confidence = resized_plane(confidence_of(probability), height, width) if method == WEIGHTED else None
    return guided_filter(yuv_of(planes_of(photo)), mask, confidence, cell=cell)


def _by_opencv(photo: NDArray[np.uint8], mask: NDArray[np.float32], radius: int) -> NDArray[np.float32] | None:
    try:
        import cv2
    except ModuleNotFoundError:
        return None
    guide = photo.astype(np.float32) / np.float32(255)
    # Its regulariser is added to variances as it is, ours squared.
    return np.clip(cv2.ximgproc.guidedFilter(guide, mask, radius, EPSILON**2), 0, 1)
