"""Item features for the service: each item's latest row, defaults from the training data, and how far they vary."""

import asyncio

import numpy as np
import pytest

from pipelines.click_log import FeatureColumns
from pipelines.report.cautions import cautions
from pipelines.report.metrics_file import ItemFeatureVariation
from pipelines.stages.item_features import feature_variation, latest_features, with_item_features
from ranking.lists import RankingLists
from serving.bundle import BaseRankerStage, Bundle, Features, Manifest, TrainingDataSummary
from serving.features import bundle_features
from tests.pipelines.made_up_metrics import make_metrics

COLUMNS = FeatureColumns(context=("context_hour",), candidate=("price", "stock"))


def make_lists(*requests):
    """Lists of requests, each a list of `(item, price, stock)`."""
    rows = [row for request in requests for row in request]
    return RankingLists(
        request_ids=np.array([f"r{index}" for index in range(len(requests))], object),
        offsets=np.cumsum([0, *map(len, requests)]),
        item_ids=np.array([item for item, *_ in rows], object),
        features=np.array([[7, price, stock] for _, price, stock in rows], np.float32),
        feature_names=COLUMNS.names,
    )


def latest(*splits):
    """Latest features by item; each split is its lists and their times."""
    items = latest_features([(lists, np.array(times)) for lists, times in splits], COLUMNS)
    return dict(zip(items.item_ids, items.features.tolist(), strict=True)), items


def test_the_row_of_the_latest_request_counts_wherever_it_stands():
    lists = make_lists([("a", 1, 0), ("b", 5, 0)], [("a", 2, 1)], [("a", 3, 1)])
    rows, items = latest((lists, [10, 30, 20]))
    assert rows == {"a": [2, 1], "b": [5, 0]}
    assert items.names == COLUMNS.candidate


def test_at_equal_times_the_last_row_of_the_log_counts():
    rows, _ = latest((make_lists([("a", 1, 0)], [("a", 2, 0)], [("a", 3, 0)]), [5, 5, 5]))
    assert rows == {"a": [3, 0]}


def test_held_out_requests_give_items_and_newer_values_but_no_defaults():
    train = make_lists([("a", 1, 0), ("b", 3, 0)], [("c", 5, 1)])
    held_out = make_lists([("b", 100, 1), ("d", 200, 1)])
    rows, items = latest((train, [1, 2]), (held_out, [3]))
    assert rows == {"a": [1, 0], "b": [100, 1], "c": [5, 1], "d": [200, 1]}
    assert items.defaults == {"price": 3.0, "stock": 0.0}


def test_defaults_are_values_that_occur_and_long_tails_do_not_draw_them_away():
    lists = make_lists([("a", 1, 0), ("b", 2, 0), ("c", 4, 1), ("d", 1e6, 1)])
    _, items = latest((lists, [1]))
    assert items.defaults == {"price": 2.0, "stock": 0.0}


def test_items_vary_when_a_feature_differs_between_their_requests():
    lists = make_lists(
        [("a", 1, 0), ("b", 1, 0), ("c", 1, 0)],
        [("a", 1, 1), ("b", 1, 0)],
        [("a", 2, 2), ("e", 9, 9)],
    )
    assert feature_variation(lists, COLUMNS) == ItemFeatureVariation(
        items=4, repeated=2, varying=1, features=("price", "stock")
    )


def test_the_feature_that_varies_for_most_items_is_named_first():
    lists = make_lists([("a", 1, 0), ("b", 1, 0)], [("a", 2, 1), ("b", 1, 1)])
    assert feature_variation(lists, COLUMNS).features == ("stock", "price")


def test_an_item_twice_in_one_request_counts_once_as_a_request():
    variation = feature_variation(make_lists([("a", 1, 0), ("a", 1, 0)]), COLUMNS)
    assert (variation.items, variation.repeated, variation.share) == (1, 0, 0.0)


def test_counts_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="varying 3, repeated 2, items 4 are not nested"):
        ItemFeatureVariation(items=4, repeated=2, varying=3, features=())


@pytest.mark.parametrize(("varying", "warned"), [(0, False), (5, False), (6, True), (100, True)])
def test_the_report_warns_where_a_lookup_would_often_differ(varying, warned):
    variation = ItemFeatureVariation(items=120, repeated=100, varying=varying, features=("p", "q", "r", "s", "t"))
    said = cautions(make_metrics(off_policy=(), item_features=variation))
    assert len(said) == warned
    if warned:
        assert "differ in their features from one to the next (p, q, r and 2 more)" in said[0]


def test_a_draft_carries_the_items_and_their_defaults(tmp_path):
    manifest = Manifest(
        version="20240101T000000Z-00000000",
        name="small",
        created="2024-01-01T00:00:00+00:00",
        features=Features(context=COLUMNS.context, item=COLUMNS.candidate),
        stages=(BaseRankerStage(file="base_ranker/model.txt", trees=1),),
        training_data=TrainingDataSummary(fingerprint="f", requests=1, rows=2),
        config_fingerprint="c",
        seed=0,
    )
    _, items = latest((make_lists([("a", 1, 2), ("b", 4, 5)]), [0]))
    carrying = with_item_features(Bundle(tmp_path, manifest), items)
    assert carrying.manifest.item_features.items == 2
    assert carrying.manifest.features.defaults == {"price": 1.0, "stock": 2.0}
    store = bundle_features(carrying)
    found = asyncio.run(store.lookup(["b", "x"], carrying.manifest.features))
    store.close_now()
    assert found.matrix.tolist() == [[4, 5], [1, 2]]
    assert found.known.tolist() == [True, False]
