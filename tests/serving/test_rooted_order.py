"""The order in which labels are visited."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.runtime.rooted_order import root_forest
from tests.serving.label_forests import distances


@st.composite
def forests(draw):
    """Edges of a forest, and its number of labels."""
    count = draw(st.integers(1, 12))
    names = draw(st.permutations(range(count)))
    joined = [(child, draw(st.integers(0, child - 1))) for child in range(1, count) if draw(st.booleans())]
    edges = sorted(tuple(sorted((names[child], names[parent]))) for child, parent in joined)
    return np.array(edges, np.int64).reshape(-1, 2), count


@given(forest=forests())
def test_every_component_hangs_from_the_centre_that_makes_it_flattest(forest):
    edges, count = forest
    order = root_forest(edges, count)
    steps = distances(edges, count)
    connected = np.isfinite(steps)
    farthest = np.where(connected, steps, 0).max(axis=1)
    centres = {min(np.flatnonzero(row), key=lambda label: (farthest[label], label)) for row in connected}
    assert order.labels[: order.starts[1]].tolist() == sorted(centres)
    for depth, (low, high) in enumerate(zip(order.starts, order.starts[1:], strict=False)):
        for label in order.labels[low:high]:
            assert min(steps[label, centre] for centre in centres) == depth


@given(forest=forests())
def test_a_parent_comes_a_depth_before_its_children_which_lie_side_by_side(forest):
    edges, count = forest
    order = root_forest(edges, count)
    assert sorted(order.labels) == list(range(count))
    assert (order.starts[0], order.starts[-1]) == (0, count)
    assert (np.diff(order.parents) >= 0).all()
    for place in range(order.starts[1], count):
        ends = sorted((order.labels[place], order.labels[order.parents[place]]))
        assert edges[order.edges[place]].tolist() == ends
    assert (order.edges[: order.starts[1]] == -1).all()
    assert (order.parents[: order.starts[1]] == -1).all()


def test_a_long_chain_is_rooted_in_its_middle_without_recursion():
    count = 20_000
    edges = np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)
    order = root_forest(edges, count)
    assert order.labels[0] == count // 2 - 1
    assert len(order.starts) == count // 2 + 2
