"""The marketplace's items: styles, prices, thumbnails and correlated tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TAGS = ("handmade", "vintage", "eco", "gift", "outdoor", "kids", "sale", "premium")
# A planted tree over the tags: (parent, child, coupling). Positive couplings make the two tags agree.
TAG_TREE = (
    (0, 1, 1.2), (0, 2, 0.9), (2, 4, 0.8), (3, 5, 1.1), (0, 3, 0.7), (6, 7, -1.3), (3, 6, 0.5),
)  # fmt: skip
STYLES, CATEGORIES = 4, 6
UNKNOWN_TAG_SHARE = 0.1
# How much a thumbnail's class adds to appeal: a value a digit, mean zero.
DIGIT_APPEAL = np.array([0.9, -0.6, 0.3, -0.3, 0.0, 0.6, -0.9, -0.1, 0.5, -0.4])


@dataclass(frozen=True)
class Catalogue:
    """All items.

    Attributes:
        style: float `[items, 4]`, latent taste dimensions; similar items are near each other here.
        category: int `[items]` in 0..5.
        price: float `[items]`, log-normal around 1.
        quality, freshness: float `[items]` in [0, 1].
        thumbnails: uint8 `[items, 8, 8]`, 0 to 255.
        digit: int `[items]`, the thumbnail's class, which no feature shows directly.
        tags: int8 `[items, 8]`: 1, 0, or -1 where unknown.
    """

    style: NDArray[np.float64]
    category: NDArray[np.int64]
    price: NDArray[np.float64]
    quality: NDArray[np.float64]
    freshness: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    digit: NDArray[np.int64]
    tags: NDArray[np.int8]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.price)


def make_catalogue(items: int, rng: np.random.Generator) -> Catalogue:
    """Draw a catalogue: styles cluster around their category, tags follow a planted tree given the style."""
    # Takes a second to import, which the other commands need not wait for.
    from sklearn.datasets import load_digits

    category = rng.integers(CATEGORIES, size=items)
    centres = rng.normal(scale=1.5, size=(CATEGORIES, STYLES))
    style = centres[category] + rng.normal(scale=0.7, size=(items, STYLES))
    digits = load_digits()
    picture = rng.integers(len(digits.target), size=items)
    return Catalogue(
        style=style,
        category=category,
        price=np.exp(rng.normal(scale=0.4, size=items)),
        quality=rng.beta(2, 2, size=items),
        freshness=rng.uniform(size=items),
        thumbnails=np.rint(digits.images[picture] * (255 / 16)).astype(np.uint8),
        digit=digits.target[picture],
        tags=_tags(style, rng),
    )


def _tags(style: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """Tags drawn parent before child: `logit P(child) = field(style) + coupling * (+1 or -1 of the parent)`."""
    fields = style @ rng.normal(scale=0.4, size=(style.shape[1], len(TAGS)))
    parents = {child: (parent, coupling) for parent, child, coupling in TAG_TREE}
    signs = np.zeros((len(style), len(TAGS)))
    pending = list(range(len(TAGS)))
    while pending:
        tag = pending.pop(0)
        if tag in parents and not signs[:, parents[tag][0]].any():
            pending.append(tag)
            continue
        logit = fields[:, tag]
        if tag in parents:
            parent, coupling = parents[tag]
            logit = logit + coupling * signs[:, parent]
        signs[:, tag] = np.where(rng.uniform(size=len(style)) < 1 / (1 + np.exp(-logit)), 1, -1)
    unknown = rng.uniform(size=signs.shape) < UNKNOWN_TAG_SHARE
    return np.where(unknown, -1, signs > 0).astype(np.int8)
