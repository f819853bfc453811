"""The paper's claim in small: where users want variety, choosing items one after another beats sorting them."""

import numpy as np
import pytest

from ranking.click_models import Cascade, DiverseClicks
from ranking.lists import RankingLists
from ranking.metrics import evaluate_lists, paired_difference_interval
from ranking.seq2slate import Seq2SlateSettings, rank_lists, train_seq2slate

LIST_SIZE = 16
KINDS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
SETTINGS = Seq2SlateSettings(
    hidden_size=32, epochs=12, batch_size=32, learning_rate=1e-2, dropout=0.0, l2=1e-5, steps=8, patience=12
)


def market(count, seed):
    """Items of four kinds in the order of a noisy ranker; a second item of a kind is not clicked."""
    rng = np.random.default_rng(seed)
    items = count * LIST_SIZE
    quality = rng.normal(size=items)
    kind = KINDS[rng.integers(0, 4, items)] + 0.1 * rng.normal(size=(items, 2))
    relevant = quality + 0.5 * rng.normal(size=items) > 0.3
    lists = RankingLists(
        request_ids=np.array([f"r{i}" for i in range(count)], object),
        offsets=np.arange(count + 1) * LIST_SIZE,
        item_ids=np.array([f"i{i}" for i in range(items)], object),
        features=np.column_stack([kind, 0.1 * quality]).astype(np.float32),
        feature_names=("kind_x", "kind_y", "quality"),
        clicks=relevant.astype(np.float32),
    ).reordered(quality + rng.normal(size=items))
    clicked = lists.with_clicks(DiverseClicks(Cascade()).clicks(lists, lists.clicks, rng))
    # Quality counts little in the distances that tell kinds apart, and fully as a model's input.
    return clicked.with_features(clicked.features * np.array([1, 1, 10], np.float32))


def shuffled(lists):
    return lists.reordered(np.random.default_rng(9).random(len(lists.item_ids)))


def ranked_metrics(train, validation, test):
    trained = train_seq2slate(train, validation, SETTINGS)
    return evaluate_lists(test, rank_lists(trained.model, test, "greedy", SETTINGS.steps), test.clicks)


@pytest.mark.slow
def test_on_diverse_clicks_it_beats_its_base_order_and_needs_that_order_as_input():
    train, validation, test = market(600, 0), market(100, 1), market(400, 2)
    base = evaluate_lists(test, -np.arange(len(test.item_ids), dtype=float), test.clicks)
    ours = ranked_metrics(train, validation, test)
    without_order = ranked_metrics(shuffled(train), shuffled(validation), shuffled(test))
    for metric in ("map", "ndcg_at_5", "ndcg_at_10"):
        assert paired_difference_interval(ours[metric], base[metric]).low > 0.02
        assert paired_difference_interval(base[metric], without_order[metric]).low > 0.02
    assert np.nanmean(ours["rank_gain"]) > 0
