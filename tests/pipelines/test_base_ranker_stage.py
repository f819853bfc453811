"""What the base ranker is trained on: weights by propensity, and lists whose order tells nothing."""

import itertools
import json

import numpy as np
import pytest

from pipelines.config import BaseRankerConfig
from pipelines.stages.base_ranker import CURVE_FILE, read_scores, train_base_ranker, weighed
from ranking.lists import RankingLists
from seriatim_errors import DataError
from serving.runtime.epsilon_slates import step_probabilities

WEIGHING = BaseRankerConfig(weighting="inverse_propensity")


def lists_of(features, clicks, **changes):
    """Lists of one size from arrays `[lists, items]`; the one feature is `features`."""
    count, size = features.shape
    return RankingLists(
        request_ids=np.array([f"r{row}" for row in range(count)], object),
        offsets=np.arange(count + 1) * size,
        item_ids=np.array([f"i{row}" for row in range(count * size)], object),
        features=features.reshape(-1, 1).astype(np.float32),
        feature_names=("x",),
        clicks=clicks.ravel().astype(np.float32),
        **changes,
    )


class Split:
    """Stands in for the files of a stage's input."""

    def __init__(self, lists):
        self.of_every_split = lists

    def lists(self, split):
        return self.of_every_split


def test_weighed_items_stand_for_all_candidates_that_were_left():
    losses, candidates, places, epsilon = np.array([0.3, 2.0, 5.0, 0.7, 1.1]), 5, 3, 0.4
    expected = np.zeros(places)
    mean = np.zeros(places)
    for slate in itertools.permutations(range(candidates), places):
        steps = step_probabilities(np.array(slate), np.arange(places), candidates, epsilon)
        one = lists_of(np.zeros((1, places)), np.zeros((1, places)), propensities=steps.astype(np.float32))
        weights = weighed(one, WEIGHING.model_copy(update={"max_weight": 1e9})).weights
        probability = steps.prod()
        mean += probability * weights * losses[list(slate)]
        expected += probability * np.array(
            [losses[[i for i in range(5) if i not in slate[:t]]].sum() for t in range(3)]
        )
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_weights_multiply_those_of_the_log_and_are_cut():
    given = lists_of(
        np.zeros((1, 3)),
        np.zeros((1, 3)),
        weights=np.array([2.0, 1.0, 0.0], np.float32),
        propensities=np.array([0.5, 0.001, 0.1], np.float32),
    )
    assert weighed(given, WEIGHING).weights.tolist() == [4.0, 30.0, 0.0]
    assert weighed(given, BaseRankerConfig()).weights.tolist() == [2.0, 1.0, 0.0]


def test_a_log_without_propensities_is_refused_by_name():
    with pytest.raises(DataError, match="no column 'propensity'"):
        weighed(lists_of(np.zeros((1, 3)), np.zeros((1, 3))), WEIGHING)


def test_the_logged_order_earns_a_model_without_sense_nothing_when_trees_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    clicks = np.zeros((400, 5))
    clicks[:, 0] = 1
    # One value for nine items in ten: nearly all scores tie, and the logged order puts every click first.
    noise = np.where(rng.random((400, 5)) < 0.9, 0.0, rng.normal(size=(400, 5)))
    train_base_ranker(Split(lists_of(noise, clicks)), BaseRankerConfig(trees=5), 0, tmp_path)
    by_chance = np.mean([1 / np.log2(rank + 1) for rank in range(1, 6)])
    curve = json.loads((tmp_path / CURVE_FILE).read_text())
    assert curve[0]["ndcg_at_10"] == pytest.approx(by_chance, abs=0.06)


def test_training_scores_stand_in_logged_order(tmp_path):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 6))
    lists = lists_of(features, features > 0.5)
    train_base_ranker(Split(lists), BaseRankerConfig(trees=20), 0, tmp_path)
    scores = read_scores(tmp_path, "train")
    assert np.corrcoef(scores, features.ravel() > 0.5)[0, 1] > 0.9
