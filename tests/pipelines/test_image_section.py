"""Images in the metrics file and on the page."""

import math

import pytest
from pydantic import ValidationError

from pipelines.report.image_metrics import BackboneScore, CascadeStageUse, CascadeTraining, ImageMetrics
from pipelines.report.image_section import image_section
from pipelines.report.metrics_file import METRICS_FILE, read_metrics
from pipelines.report.page import render
from tests.pipelines.made_up_metrics import HOSTILE, difference, make_metrics
from tests.pipelines.page_tree import Tree


def made(**changes):
    fields = {
        "cascade": "c0ffee12",
        "class_names": ("hat", HOSTILE),
        "features": 13,
        "items": 100,
        "without": 7,
        "unreadable": 3,
        "stages": (CascadeStageUse(cost=1000, exits=75), CascadeStageUse(cost=9000, exits=25)),
        "training": CascadeTraining(
            trained_images=280,
            held_out_images=120,
            accuracy=0.925,
            backbones=(BackboneScore(name=HOSTILE, accuracy=0.875, cost=1000),),
        ),
    }
    return ImageMetrics(**{**fields, **changes})


def with_gain(**changes):
    rows = (difference("served", "base", "clicks", 0.07), difference("base", "base_without_images", "clicks", 0.0432))
    return make_metrics(images=made(**changes), differences=rows)


def test_the_expected_cost_is_that_of_the_stages_that_were_reached():
    assert made().expected_cost == 1000 + 0.25 * 9000
    assert math.isnan(made(items=0, stages=(CascadeStageUse(cost=10, exits=0),)).expected_cost)


@pytest.mark.parametrize("items", [99, 101])
def test_every_item_leaves_once(items):
    with pytest.raises(ValidationError, match="100 items leave the cascade"):
        made(items=items)


def test_gains_begin_with_the_deciding_metric():
    section = image_section(with_gain())
    assert [gain.metric for gain in section.gains] == ["ndcg_at_10", "map", "rank_gain"]
    assert {gain.verdict for gain in section.gains} == {"above"}
    assert len(section.plot.rows) == 3
    assert section.saved == pytest.approx(9000 / 3250)
    assert [share for _, share in section.stages] == [0.75, 0.25]


def test_the_page_tells_what_thumbnails_add_and_where_they_left():
    page = render(with_gain())
    text = Tree(page).text
    for words in ("what thumbnails add", "+0.0432", "100 items", "7 items have none", "those of 3 cannot be decoded"):
        assert words in text
    assert "3,250 multiply-adds each on average, 2.77 times fewer" in text
    assert "75.0 %" in text
    assert "92.5 %" in text
    assert HOSTILE not in page
    assert HOSTILE.replace("<", "&lt;").split("(")[0].replace(">", "&gt;") in page
    assert 'href="#images"' in page


def test_parts_that_are_not_there_leave_no_hole():
    """A cascade that was given, no base ranker to compare, and a catalogue without thumbnails."""
    text = Tree(render(make_metrics(images=made(training=None)))).text
    assert "held-out thumbnails" not in text
    assert "Base ranker with image features" not in text
    none = made(items=0, without=100, unreadable=0, stages=(CascadeStageUse(cost=10, exits=0),), training=None)
    section = image_section(make_metrics(images=none))
    assert section.saved is None
    assert "times fewer than the last stage" not in Tree(render(make_metrics(images=none))).text
    assert image_section(make_metrics()) is None
    assert 'id="images"' not in render(make_metrics())


def test_the_part_is_kept_in_the_file(tmp_path):
    metrics = with_gain()
    metrics.save(tmp_path / METRICS_FILE)
    assert read_metrics(tmp_path / METRICS_FILE).images == metrics.images


def test_what_the_cascade_costs_stands_beside_its_backbones():
    costs = image_section(with_gain()).costs
    alone, cascade = costs.points
    assert (alone.point.name, cascade.point.name) == (HOSTILE, "cascade")
    assert (alone.point.marked, cascade.point.marked) == (False, True)
    assert (cascade.point.x, cascade.point.value) == (3250, 0.925)
    assert cascade.point.low < 0.925 < cascade.point.high
    # The higher on the page, the more accurate; the further right, the dearer.
    assert cascade.y < alone.y
    assert cascade.x > alone.x
    assert "cascade: 92.5 % [86.4 %, 96.0 %] of 120 thumbnails at 3,250 multiply-adds" in render(with_gain())
    assert image_section(with_gain(training=None)).costs is None
