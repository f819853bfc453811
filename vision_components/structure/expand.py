"""A found architecture made wider again, all groups by one factor, as far as a budget allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.architecture import Architecture
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.prune import built
from vision_components.structure.resources import Resource
from vision_components.structure.roofline import Roofline

# Doublings and halvings of the factor before it is said not to matter; then bits of it that are decided.
RANGE, BITS = 30, 50


@dataclass(frozen=True)
class Expansion:
    """Widths of all groups after expansion.

    Attributes:
        graph: of the model that the architecture was found on.
        factor: by which all widths were multiplied before they were rounded.
        widths: channels of each group.
        cost: exact, in the resource's unit.
        removed: layers that the architecture had removed.
    """

    graph: ChannelGraph
    factor: float
    widths: Mapping[str, int]
    cost: float
    removed: tuple[str, ...]

    def model(self) -> tf.keras.Model:
        """A model of these widths with fresh weights, to be trained from scratch or searched again."""
        return built(self.graph, self.widths, self.removed)


def expand(architecture: Architecture, cost: Resource | Roofline, budget: float, round_to: int = 1) -> Expansion:
    """The widest network of an architecture's proportions within a budget.

    The largest factor, found by bisection, such that the exact cost of all widths multiplied by it and rounded, once a
    group, is within the budget (Gordon et al., arXiv 1711.06798, step 3 of the algorithm). Of an architecture in which
    everything lives this is the uniform width multiplier, the baseline that a search must beat.

    Args:
        architecture: of which the groups without channels stay without.
        cost: of the same graph.
        budget: in its unit; for the architecture's own cost the factor is 1 or slightly more and the widths are its.
        round_to: widths become multiples of it.

    Raises:
        DataError: even one channel (or `round_to`) a group costs more, or no group can be widened.
    """
    if round_to < 1:
        raise DataError(f"round_to {round_to}; give 1 or more")

    def at(factor: float) -> tuple[dict[str, int], float]:
        widths = {name: _scaled(width, factor, round_to) for name, width in architecture.widths.items()}
        return widths, cost.of_widths(widths, architecture.removed)

    smallest = at(0.0)[1]
    if not smallest <= budget:
        raise DataError(f"budget {budget:g} {cost.unit}: the narrowest network costs {smallest:g}; give more")
    low, high = 0.0, 1.0
    for _ in range(RANGE):
        if at(high)[1] > budget:
            break
        low, high = high, 2 * high
    else:
        raise DataError(f"budget {budget:g} {cost.unit}: no width of {architecture.graph.model.name} comes near it")
    for _ in range(BITS):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] <= budget else (low, middle)
    widths, found = at(low)
    return Expansion(architecture.graph, low, widths, found, architecture.removed)


def _scaled(width: int, factor: float, round_to: int) -> int:
    if width == 0:
        return 0
    return max(1, math.floor(width * factor / round_to + 0.5)) * round_to
