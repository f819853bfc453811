"""From impressions and a catalogue to what the labeller learns from: means, matches, a split that stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.item_catalogue import ItemCatalogue
from pipelines.items_in_common import items_in_common
from pipelines.stages.labelled_items import LabelledItems, hold_out, labelled_items
from ranking.lists import RankingLists
from seriatim_errors import DataError, TrainingError


def catalogue_of(**tags):
    """A catalogue from item to tags."""
    labels = tuple(f"t{index}" for index in range(len(next(iter(tags.values())))))
    return ItemCatalogue(np.array(list(tags), object), labels, np.array(list(tags.values()), np.int8))


def lists_of(*requests):
    """Lists from (item, feature values) a row."""
    rows = [row for request in requests for row in request]
    return RankingLists(
        request_ids=np.array([f"r{index}" for index in range(len(requests))], object),
        offsets=np.cumsum([0, *map(len, requests)]),
        item_ids=np.array([item for item, _ in rows], object),
        features=np.array([values for _, values in rows], np.float32),
        feature_names=tuple(f"item_{index}" for index in range(len(rows[0][1]))),
    )


def items_of(count, labels=2):
    ids = np.array([f"i{index}" for index in range(count)], object)
    names = tuple(f"t{index}" for index in range(labels))
    return LabelledItems(ids, np.zeros((count, 1)), ("item_0",), np.ones((count, labels), np.int8), names)


def test_an_item_has_the_mean_of_its_impressions_beside_its_own_tags():
    lists = lists_of([("b", (1, 10)), ("a", (5, 50))], [("b", (3, 20)), ("unlisted", (9, 90))], [("b", (8, 60))])
    items, common = labelled_items(lists, catalogue_of(a=[1, -1], unseen=[0, 0], b=[0, 1], untagged=[-1, -1]))
    assert items.item_ids.tolist() == ["a", "b"]
    assert items.features.tolist() == [[5, 50], [4, 30]]
    assert items.features.dtype == np.float64
    assert items.tags.tolist() == [[1, -1], [0, 1]]
    assert (items.feature_names, items.labels) == (("item_0", "item_1"), ("t0", "t1"))
    assert (common.catalogue, common.log, common.common, common.untagged) == (4, 3, 2, 0)


def test_items_without_a_known_tag_are_counted_and_left_out():
    items, common = labelled_items(
        lists_of([("a", (1,)), ("b", (2,)), ("c", (3,))]), catalogue_of(c=[1], b=[-1], a=[0], d=[-1])
    )
    assert items.item_ids.tolist() == ["c", "a"]
    assert items.features.tolist() == [[3], [1]]
    assert (common.common, common.untagged) == (3, 1)


def test_labels_that_no_item_knows_are_told_apart_and_can_be_left_out():
    items, _ = labelled_items(lists_of([("a", (1,)), ("b", (2,))]), catalogue_of(a=[1, -1, -1], b=[-1, -1, 0]))
    assert items.taught.tolist() == [True, False, True]
    taught = items.with_labels(items.taught)
    assert taught.labels == ("t0", "t2")
    assert taught.tags.tolist() == [[1, -1], [-1, 0]]
    assert taught.item_ids.tolist() == ["a", "b"]


@given(
    known=st.sets(st.integers(0, 20), min_size=1),
    shown=st.lists(st.integers(0, 20), min_size=1, unique=True),
    seed=st.integers(0, 9),
)
@settings(deadline=None)
def test_every_item_is_accounted_for(known, shown, seed):
    tags = np.random.default_rng(seed).integers(-1, 2, size=(21, 2))
    catalogue = catalogue_of(**{f"i{item}": tags[item] for item in known})
    names = np.array([f"i{item}" for item in shown], object)
    both = known & set(shown)
    usable = {item for item in both if (tags[item] != -1).any()}
    if not usable:
        with pytest.raises(DataError):
            items_in_common(catalogue, names)
        return
    common = items_in_common(catalogue, names)
    assert (common.catalogue, common.log, common.common) == (len(known), len(shown), len(both))
    assert common.untagged == len(both) - len(usable)
    assert set(catalogue.item_ids[common.catalogue_rows]) == {f"i{item}" for item in usable}
    assert catalogue.item_ids[common.catalogue_rows].tolist() == names[common.log_rows].tolist()


def test_a_catalogue_of_other_items_is_refused_with_an_example_of_each():
    with pytest.raises(DataError, match=r"none of the 2 items .*the log has 'sku-1', the catalogue '1'\)"):
        items_in_common(catalogue_of(**{"1": [1], "2": [0]}), np.array(["sku-1", "sku-2"], object))


def test_a_catalogue_without_a_tag_of_any_shown_item_is_refused():
    with pytest.raises(DataError, match="knows 1 items of the log but no tag of any of them; fill in tags"):
        items_in_common(catalogue_of(a=[-1], b=[1]), np.array(["a"], object))


@given(count=st.integers(30, 200), seed=st.integers(0, 5), more=st.integers(1, 50))
@settings(deadline=None, max_examples=30)
def test_an_item_stays_on_its_side_when_others_come_and_go(count, seed, more):
    train, judged = hold_out(items_of(count), 0.4, seed, fewest=1)
    assert sorted([*train.item_ids, *judged.item_ids]) == sorted(items_of(count).item_ids)
    later_train, later_judged = hold_out(items_of(count + more), 0.4, seed, fewest=1)
    assert set(train.item_ids) <= set(later_train.item_ids)
    assert set(judged.item_ids) <= set(later_judged.item_ids)


def test_about_the_asked_share_is_held_out():
    _, judged = hold_out(items_of(4000), 0.25, seed=1, fewest=1)
    assert len(judged) == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(("count", "share"), [(3, 0.2), (40, 0.99), (6, 0.0001)])
def test_too_few_items_on_a_side_are_refused_with_their_numbers(count, share):
    with pytest.raises(TrainingError, match=rf"labeller: {count} items .*held_out_share {share:g} leaves .*tag more"):
        hold_out(items_of(count), share, seed=0, fewest=5)
