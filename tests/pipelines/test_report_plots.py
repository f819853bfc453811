"""Geometry of the report's plots: what is larger lies farther, and everything lies inside the drawing."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report.metrics_file import Interval
from pipelines.report.plots.curve import CurvePoint, curve
from pipelines.report.plots.forest import forest
from pipelines.report.plots.label_tree import LONGEST_NAME, THICKEST, THINNEST, TreeLink, label_tree
from pipelines.report.plots.scale import Scale, scale_for
from tests.pipelines.made_up_metrics import UNDEFINED

values = st.floats(-1e6, 1e6).map(lambda number: round(number, 6))
triples = st.tuples(values, values, values).map(sorted)


@given(st.lists(values, min_size=1, max_size=20))
@settings(deadline=None)
def test_a_scale_keeps_order_and_stays_inside(numbers):
    scale = scale_for(numbers, 10, 110)
    places = [scale(number) for number in sorted(numbers)]
    assert places == sorted(places)
    assert 10 <= places[0] <= places[-1] <= 110


@given(values, st.floats(1e-4, 1e6), st.integers(2, 8))
@settings(deadline=None)
def test_ticks_are_evenly_spaced_round_values_in_the_axis(low, length, about):
    scale = Scale(low, low + length, 0, 1000)
    ticks = scale.ticks(about)
    numbers = [float(text.replace(",", "")) for _, text in ticks]
    assert 1 <= len(ticks) <= 3 * about
    assert all(0 <= place <= 1000 for place, _ in ticks)
    for number, (place, _) in zip(numbers, ticks, strict=True):
        assert scale(number) == pytest.approx(place, abs=0.5)
    steps = [second - first for first, second in pairwise(numbers)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


def test_ticks_read_as_people_write_them():
    assert [text for _, text in Scale(0, 1, 0, 100).ticks(4)] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert [text for _, text in Scale(0.9, 3.1, 0, 100).ticks(6, whole=True)] == ["1", "2", "3"]
    assert [text for _, text in Scale(0, 4100, 0, 100).ticks(4)] == ["0", "1,000", "2,000", "3,000", "4,000"]


@given(st.lists(triples, min_size=1, max_size=8), values)
@settings(deadline=None)
def test_forest_rows_share_one_axis_with_their_reference(rows, reference):
    intervals = [Interval(value=value, low=low, high=high, count=1) for low, value, high in rows]
    plot = forest([*intervals, UNDEFINED], {"zero": reference})
    assert plot.rows[-1] is None
    marks = [(reference, plot.references["zero"])]
    for interval, row in zip(intervals, plot.rows, strict=False):
        marks += [(interval.low, row.low), (interval.value, row.value), (interval.high, row.high)]
    marks.sort()
    places = [place for _, place in marks]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= plot.width


def test_a_forest_without_any_value_is_an_empty_axis():
    plot = forest([UNDEFINED])
    assert plot.rows == [None]
    assert "0.50" in [text for _, text in plot.ticks]


def test_a_curve_has_a_corner_a_point_and_a_band_that_holds_the_line():
    points = [CurvePoint(x=step, value=step / 10, low=step / 20, high=step / 5, words=f"{step}") for step in (1, 2, 3)]
    drawn = curve(points, from_zero=True)
    line = [tuple(map(float, corner.split(","))) for corner in drawn.line.split()]
    band = [tuple(map(float, corner.split(","))) for corner in drawn.band.split()]
    assert [(x, y, words) for (x, y), words in zip(line, "123", strict=True)] == list(drawn.points)
    assert len(band) == 6
    for (x, y), (upper_x, upper), (lower_x, lower) in zip(line, band[:3], band[:2:-1], strict=True):
        assert x == upper_x == lower_x
        # Upwards is towards smaller coordinates.
        assert upper < y < lower
    assert all(drawn.left <= x <= drawn.right and drawn.top <= y <= drawn.bottom for x, y in [*line, *band])
    assert [text for _, text in drawn.x_ticks] == ["1", "2", "3"]
    assert drawn.y_ticks[0] == (drawn.bottom, drawn.y_ticks[0][1])


def test_a_single_point_and_a_long_curve_can_be_drawn():
    assert curve([CurvePoint(x=1, value=0.0)]).band == ""
    long = curve([CurvePoint(x=step, value=1.0) for step in range(300)])
    assert not long.marked
    assert len(long.points) == 300


@st.composite
def label_forests(draw):
    """Names and edges of a random forest: each label may hang from one before it."""
    names = draw(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=14))
    links = []
    for child in range(1, len(names)):
        parent = draw(st.integers(-1, child - 1))
        if parent >= 0:
            strength, attracts = draw(st.floats(0, 10)), draw(st.booleans())
            links.append(TreeLink(parent, child, strength, attracts, words=f"{parent}-{child}"))
    return names, draw(st.permutations(links))


@given(label_forests())
@settings(deadline=None)
def test_labels_of_a_forest_lie_apart_and_inside_the_drawing(drawn):
    names, links = drawn
    tree = label_tree(names, links)
    assert [label.name for label in tree.labels] == names
    for index, label in enumerate(tree.labels):
        assert label.x >= 0
        assert label.x + label.width <= tree.width
        assert 12 <= label.y <= tree.height - 12
        for other in tree.labels[:index]:
            beside = label.x + label.width <= other.x or other.x + other.width <= label.x
            assert beside or abs(label.y - other.y) >= 24


@given(label_forests())
@settings(deadline=None)
def test_every_edge_of_a_forest_leads_from_one_label_to_the_next_column(drawn):
    names, links = drawn
    tree = label_tree(names, links)
    assert [link.words for link in tree.links] == [link.words for link in links]
    for given_link, link in zip(links, tree.links, strict=True):
        start, _, end = (part.replace("C", " ") for part in link.path.removeprefix("M").rpartition(" "))
        x, y, *_, last = map(float, f"{start} {end}".split())
        ends = [tree.labels[given_link.first], tree.labels[given_link.second]]
        [parent] = [label for label in ends if (label.x + label.width, label.y) == pytest.approx((x, y), abs=0.01)]
        [child] = [label for label in ends if label is not parent]
        assert child.y == pytest.approx(last, abs=0.01)
        assert x < link.x < child.x
        assert min(parent.y, child.y) <= link.y <= max(parent.y, child.y)
        assert THINNEST <= link.thickness <= THICKEST


def test_a_tree_hangs_from_its_middle_and_the_strongest_edge_is_the_thickest():
    chain = [TreeLink(i, i + 1, strength=i + 1.0, attracts=True, words="") for i in range(4)]
    tree = label_tree(["a", "b", "c", "d", "e"], chain)
    assert min(tree.labels, key=lambda label: label.x).name == "c"
    assert len({label.x for label in tree.labels}) == 3
    assert [link.thickness for link in tree.links] == sorted(link.thickness for link in tree.links)
    assert tree.links[-1].thickness == THICKEST


def test_the_largest_tree_stands_first_and_a_long_name_is_cut_short():
    tree = label_tree(["alone", "x" * 100, "z"], [TreeLink(1, 2, 1.0, False, "")])
    alone, long, _ = tree.labels
    assert alone.y > long.y
    assert long.shown == "x" * (LONGEST_NAME - 1) + "…"
    assert long.name == "x" * 100


def test_a_forest_without_edges_is_a_column_of_labels():
    tree = label_tree(["a", "b", "c"], [])
    assert len({label.x for label in tree.labels}) == 1
    assert len({label.y for label in tree.labels}) == 3
    assert tree.links == []
