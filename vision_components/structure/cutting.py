"""From strengths to an architecture within a budget: the weakest channels go until the rest can be paid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from seriatim_errors import DataError
from vision_components.structure.architecture import Architecture
from vision_components.structure.joined import joined_groups
from vision_components.structure.search_model import Cost
from vision_components.structure.strengths import Strength


def cut_to_budget(strength: Strength, cost: Cost, share: float, *, floor: int = 1, round_to: int = 1) -> Architecture:
    """The architecture of the strongest channels of all groups that costs no more than a share of the whole.

    Channels are ranked over the whole network. A search that presses by cost has already let the dear ones sink, so
    the rank needs no cost of its own. For one strength, smaller budgets give architectures within larger ones.

    Args:
        strength: of the network's channels.
        cost: that the budget is of.
        share: of the whole cost, above 0, at most 1.
        floor: channels that a group keeps at least.
        round_to: widths become multiples of it.

    Raises:
        DataError: the share is out of range, or even the weakest network costs more; the message says how much.
    """
    if not 0 < share <= 1:
        raise DataError(f"budget {share}; give a share of the whole cost above 0 and at most 1")
    if round_to > 1 and joined_groups(strength.graph):
        raise DataError(f"round_to {round_to}: sums of operators have the widths of these; leave it at 1")
    scores = strength.scores()
    soft = {name: np.asarray(values) for name, values in strength.soft().items()}
    numbers = np.unique(scores)[::-1]
    # Just above the largest score nothing is alive but what floors keep.
    cuts = [float(numbers[0]), *((numbers[:-1] + numbers[1:]) / 2).tolist(), float(numbers[-1]) - 1]

    def at(place: int) -> Architecture:
        alive = strength.alive_above(cuts[place])
        return Architecture(strength.graph, alive, floor=floor, round_to=round_to, strength=soft)

    budget, low, high = share * cost.full, 0, len(cuts) - 1
    least = at(0)
    if cost(least) > budget:
        raise DataError(
            f"budget {share}: the narrowest network, of {floor} channel a group, still costs "
            f"{cost(least) / cost.full:.3f} of the whole; give a larger budget or a smaller floor"
        )
    best = least
    while low < high:
        middle = (low + high + 1) // 2
        found = at(middle)
        if cost(found) <= budget:
            low, best = middle, found
        else:
            high = middle - 1
    return best


def nested(
    strength: Strength, cost: Cost, shares: Sequence[float], *, floor: int = 1, round_to: int = 1
) -> list[Architecture]:
    """Architectures for several budgets of one search, such as the stages of a cascade, each within the next larger.

    Args:
        strength: of the network's channels.
        cost: that the budgets are of.
        shares: of the whole cost, rising.
        floor, round_to: as of `cut_to_budget`.

    Raises:
        DataError: the shares do not rise, or as `cut_to_budget`.
    """
    if not shares or any(one >= other for one, other in itertools.pairwise(shares)):
        raise DataError(f"budgets {list(shares)}; give one or more that rise")
    return [cut_to_budget(strength, cost, share, floor=floor, round_to=round_to) for share in shares]
