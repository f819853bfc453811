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
# Of every so many items one has a thumbnail of unknown class.
UNLABELLED_EVERY = 3
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
        digit_known: bool `[items]`: where the catalogue says what the thumbnail shows.
        tags: int8 `[items, 8]`: 1 or 0, as they truly are.
        tags_known: bool `[items, 8]`: where the catalogue says what the tag is.
        tag_fields: float `[4, 8]`, the effect of style on the tags.
    """

    style: NDArray[np.float64]
    category: NDArray[np.int64]
    price: NDArray[np.float64]
    quality: NDArray[np.float64]
    freshness: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    digit: NDArray[np.int64]
    digit_known: NDArray[np.bool_]
    tags: NDArray[np.int8]
    tags_known: NDArray[np.bool_]
    tag_fields: NDArray[np.float64]

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
    price = np.exp(rng.normal(scale=0.4, size=items))
    quality, freshness = rng.beta(2, 2, size=items), rng.uniform(size=items)
    tag_fields = rng.normal(scale=0.4, size=(STYLES, len(TAGS)))
    tags = draw_tags(style @ tag_fields, rng)
    return Catalogue(
        style=style,
        category=category,
        price=price,
        quality=quality,
        freshness=freshness,
        thumbnails=np.rint(digits.images[picture] * (255 / 16)).astype(np.uint8),
        digit=digits.target[picture],
        digit_known=np.arange(items) % UNLABELLED_EVERY != 0,
        tags=tags,
        tags_known=rng.uniform(size=tags.shape) >= UNKNOWN_TAG_SHARE,
        tag_fields=tag_fields,
    )


def draw_tags(fields: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw the tags of items, parent before child.

    With `s` = +1 where the parent has the tag and -1 where not, `logit P(child has it) = field + coupling * s`;
    the root has no parent's term. So the joint law is an Ising model on `TAG_TREE`, in spins of +1 and -1 with
    half of each coupling on its edge.

    Args:
        fields: float `[items, 8]`, from the item's style.
        rng: source of chance.

    Returns:
        int8 `[items, 8]`: 1 or 0.
    """
    parents = {child: (parent, coupling) for parent, child, coupling in TAG_TREE}
    signs = np.zeros(fields.shape)
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
        signs[:, tag] = np.where(rng.uniform(size=len(fields)) < 1 / (1 + np.exp(-logit)), 1, -1)
    return (signs > 0).astype(np.int8)
