"""What features add to a base score, held against Shapley's formula over all subsets."""

import itertools
import math

import lightgbm
import numpy as np
import pytest

from seriatim_errors import BundleError
from serving.explanations import Contributions, TreeContributions

FEATURES, UNUSED = 4, 3


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    """Six small trees over three of four features; leaves hold few items, so that counts differ."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, FEATURES))
    features[:, UNUSED] = 1.0
    labels = np.where(features[:, 0] > 0.3, features[:, 1] * features[:, 2], features[:, 1]) + rng.normal(size=300) / 9
    settings = {"objective": "regression", "num_leaves": 6, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    path = tmp_path_factory.mktemp("forest") / "model.txt"
    lightgbm.train(settings, lightgbm.Dataset(features, labels), num_boost_round=6).save_model(path)
    return path


@pytest.fixture(scope="module")
def rows():
    rows = np.random.default_rng(1).normal(size=(20, FEATURES)).astype(np.float32)
    rows[:10, UNUSED] = 5.0
    return rows


def expectation(node, row, known):
    """A tree's value where the features `known` are told: by counts both ways at those that are not."""
    if "leaf_value" in node:
        return node["leaf_value"]
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        return expectation(left if row[node["split_feature"]] <= node["threshold"] else right, row, known)
    counts = [child.get("leaf_count", child.get("internal_count")) for child in (left, right)]
    told = [expectation(child, row, known) for child in (left, right)]
    return sum(count * value for count, value in zip(counts, told, strict=True)) / sum(counts)


def shapley(value, count):
    """Shapley values of the game `value` over `count` players, by its definition."""
    values = np.zeros(count)
    for player in range(count):
        others = [other for other in range(count) if other != player]
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for known in itertools.combinations(others, size):
                values[player] += weight * (value({*known, player}) - value(set(known)))
    return values


def test_contributions_are_shapley_values_with_path_dependent_expectations(forest, rows):
    trees = lightgbm.Booster(model_file=forest).dump_model()["tree_info"]
    for row, found in zip(rows, TreeContributions(forest, FEATURES).of(rows), strict=True):

        def game(known, row=row):
            return sum(expectation(tree["tree_structure"], row, known) for tree in trees)

        np.testing.assert_allclose(found.values, shapley(game, FEATURES), atol=1e-9)
        assert found.expected == pytest.approx(game(set()), abs=1e-9)


def test_expectation_and_contributions_add_up_to_the_score(forest, rows):
    scores = lightgbm.Booster(model_file=forest).predict(rows, raw_score=True)
    found = TreeContributions(forest, FEATURES).of(rows)
    np.testing.assert_allclose([one.score for one in found], scores, atol=1e-6)


def test_a_feature_that_no_tree_uses_adds_nothing(forest, rows):
    found = TreeContributions(forest, FEATURES).of(rows)
    assert {one.values[UNUSED] for one in found} == {0.0}
    assert all(UNUSED not in one.largest(FEATURES) for one in found)


def test_the_largest_come_first_whatever_their_sign():
    assert Contributions(np.array([0.1, -3.0, 0.0, 2.0]), 1.0).largest(3).tolist() == [1, 3, 0]
    assert Contributions(np.zeros(3), 1.0).largest(2).tolist() == []


def test_a_file_of_another_model_is_refused(forest, tmp_path):
    with pytest.raises(BundleError, match="reads 4 features, the manifest names 5"):
        TreeContributions(forest, 5)
    (tmp_path / "model.txt").write_text("no trees")
    with pytest.raises(BundleError, match="no LightGBM model"):
        TreeContributions(tmp_path / "model.txt", 4)
