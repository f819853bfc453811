"""Rules that a slate obeys whatever the model prefers, with exact step probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError


@dataclass(frozen=True)
class SlateConstraints:
    """Which items may stand next, for a batch of lists.

    At every step the decoder's softmax runs over the eligible items only, so that step probabilities are those
    of the constrained policy: over all slates that obey the rules they multiply and sum to one. Rules look one
    step ahead for pinned items (their categories count from the start, nothing forbidden beside them is placed
    before them). Where no item is eligible the step stays empty; a later pinned item still takes its place.

    Attributes:
        mask: bool `[batch, list_size]`, true where an item stands.
        pinned: int `[batch, list_size]`, the 1-based position at which the item must stand, 0 for any.
        categories: int `[batch, list_size]` >= 0, or -1 for an item of no category.
        max_per_category: most items of one category in the slate; needs `categories`.
        forbidden_neighbours: bool `[batch, list_size, list_size]`, symmetric, true where two items may not
            stand beside each other.

    Raises:
        DataError: shapes or types disagree, a pin falls on padding, or the pins contradict each other or the rules.
    """

    mask: NDArray[np.bool_]
    pinned: NDArray[np.integer] | None = None
    categories: NDArray[np.integer] | None = None
    max_per_category: int | None = None
    forbidden_neighbours: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        batch, list_size = self.mask.shape
        for name, shape, kind in (
            ("mask", (batch, list_size), np.bool_),
            ("pinned", (batch, list_size), np.integer),
            ("categories", (batch, list_size), np.integer),
            ("forbidden_neighbours", (batch, list_size, list_size), np.bool_),
        ):
            value = getattr(self, name)
            if value is not None and not np.issubdtype(np.asarray(value).dtype, kind):
                wanted = "bool" if kind is np.bool_ else "whole numbers"
                raise DataError(f"{name}: an array of {np.asarray(value).dtype}; give {wanted}")
            if value is not None and np.shape(value) != shape:
                raise DataError(f"{name}: shape {np.shape(value)} for lists of shape {self.mask.shape}; give {shape}")
        if (self.max_per_category is None) != (self.categories is None):
            raise DataError("categories and max_per_category belong together; give both or neither")
        if self.max_per_category is not None and self.max_per_category < 1:
            raise DataError(f"max_per_category: {self.max_per_category}; give 1 or more")
        if self.categories is not None and (self.categories < -1).any():
            raise DataError(f"categories: {int(self.categories.min())}; give 0 or more, -1 for an item of none")
        neighbours = self.forbidden_neighbours
        if neighbours is not None and (neighbours != neighbours.transpose(0, 2, 1)).any():
            raise DataError("forbidden_neighbours: not symmetric; forbid both orders of a pair")
        if self.pinned is not None:
            _check_pins(self, self.pinned)

    def eligible(self, step: int | tf.Tensor, last: tf.Tensor, remaining: tf.Tensor) -> tf.Tensor:
        """Items that may stand at the 0-based `step`, bool `[rows, list_size]`.

        Args:
            step: the step.
            last: int64 `[rows]`, the row placed last, -1 for none yet.
            remaining: bool `[rows, list_size]`, items not placed so far; `rows` is a multiple of `batch`, with
                the paths of one list beside each other.
        """
        positions = np.zeros((1, 1), np.int32) if self.pinned is None else self.pinned.astype(np.int32)
        pinned = self._rows(positions, remaining)
        free = tf.logical_and(remaining, pinned == 0)
        if self.categories is not None:
            free = tf.logical_and(free, self._below_the_cap(self.categories, remaining, pinned))
        if self.forbidden_neighbours is not None:
            forbidden = self._rows(self.forbidden_neighbours, remaining)
            # Neighbours on both sides: the item before, and the one that is pinned to the next position.
            beside_last = tf.gather(forbidden, tf.maximum(last, 0), batch_dims=1)
            beside_last = tf.logical_and(beside_last, (last >= 0)[:, tf.newaxis])
            follows = tf.logical_and(remaining, pinned == step + 2)
            beside_next = tf.reduce_any(tf.logical_and(forbidden, follows[:, tf.newaxis, :]), axis=2)
            free = tf.logical_and(free, tf.logical_not(tf.logical_or(beside_last, beside_next)))
        here = tf.logical_and(remaining, pinned == step + 1)
        return tf.where(tf.reduce_any(here, axis=1, keepdims=True), here, free)

    def _below_the_cap(self, given: NDArray[np.integer], remaining: tf.Tensor, pinned: tf.Tensor) -> tf.Tensor:
        """Whether an item's category has room, counting placed items and those that will be placed by a pin."""
        member = tf.one_hot(self._rows(given, remaining), int(given.max()) + 1)
        taken = tf.logical_or(tf.logical_not(remaining), pinned > 0)
        taken = tf.logical_and(taken, self._rows(self.mask, remaining))
        counts = tf.einsum("bn,bnc->bc", tf.cast(taken, tf.float32), member)
        return tf.einsum("bnc,bc->bn", member, counts) < self.max_per_category

    @staticmethod
    def _rows(values: NDArray, remaining: tf.Tensor) -> tf.Tensor:
        """`values` of a list repeated for every path of that list."""
        copies = tf.shape(remaining)[0] // values.shape[0]
        return tf.repeat(tf.constant(values), copies, axis=0)


def _check_pins(constraints: SlateConstraints, pinned: NDArray[np.integer]) -> None:
    if (pinned < 0).any():
        raise DataError(f"pinned: {int(pinned.min())}; give 1-based positions, 0 for items that may stand anywhere")
    for row, column in np.argwhere((pinned > 0) & ~constraints.mask):
        raise DataError(f"pinned: list {row} pins its row {column}, which is padding; pin an item")
    for row in range(len(pinned)):
        items = np.flatnonzero(pinned[row])
        positions, counts = np.unique(pinned[row, items], return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"pinned: list {row} pins {counts.max()} items to position {positions[counts.argmax()]}; pin one"
            )
        if constraints.categories is not None and constraints.max_per_category is not None:
            pinned_categories = constraints.categories[row, items]
            used = np.bincount(pinned_categories[pinned_categories >= 0])
            if (used > constraints.max_per_category).any():
                raise DataError(
                    f"pinned: list {row} pins {used.max()} items of category {used.argmax()}, "
                    f"max_per_category is {constraints.max_per_category}; pin fewer or allow more"
                )
        if constraints.forbidden_neighbours is not None:
            first, second = np.meshgrid(items, items)
            beside = pinned[row, second] - pinned[row, first] == 1
            if (beside & constraints.forbidden_neighbours[row, first, second]).any():
                raise DataError(f"pinned: list {row} pins forbidden neighbours beside each other; move one of them")
