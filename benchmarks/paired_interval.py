"""Differences paired by seed."""

from __future__ import annotations

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def paired_interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of the differences and its 95 % interval by Student's t; the interval is not a number for one seed."""
    value, count = float(differences.mean()), len(differences)
    if count < 2:
        return value, float("nan"), float("nan")
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * differences.std(ddof=1) / np.sqrt(count)
    return value, value - float(half), value + float(half)
