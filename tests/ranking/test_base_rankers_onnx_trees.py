"""Trees in ONNX take LightGBM's branches."""

import lightgbm
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.base_rankers import onnx_trees
from ranking.base_rankers.onnx_trees import export_trees_onnx, rounded_down, trees_to_onnx
from seriatim_errors import TrainingError

PARAMETERS = {"num_leaves": 15, "verbosity": -1, "seed": 0, "num_threads": 1, "min_data_in_leaf": 2}


def trained(features, targets, rounds=20, **changes):
    data = lightgbm.Dataset(features, targets)
    return lightgbm.train({"objective": "regression", **PARAMETERS, **changes}, data, num_boost_round=rounds)


def scores(proto, features):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"features": features})[0]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e8]))
def test_every_score_is_that_of_lightgbm_also_where_features_equal_thresholds(seed, scale):
    rng = np.random.default_rng(seed)
    # Few different values, so that many rows lie exactly where a tree may split.
    features = (scale * rng.choice(rng.normal(size=40), (300, 4))).astype(np.float32)
    model = trained(features, features[:, 0] / scale + rng.normal(size=300))
    expected = model.predict(features, num_threads=1)
    np.testing.assert_allclose(scores(trees_to_onnx(model), features), expected, rtol=1e-5, atol=1e-5)


def test_a_threshold_between_two_float32_values_parts_them():
    low = np.float32(1)
    high = np.nextafter(low, np.float32(2))
    features = np.repeat([[low], [high]], 50, axis=0)
    model = trained(features, np.repeat([0.0, 1.0], 50), rounds=1, min_data_in_bin=1)
    found = scores(trees_to_onnx(model), np.array([[low], [high]], np.float32))
    np.testing.assert_allclose(found, model.predict([[low], [high]]), rtol=1e-6)
    assert found[0] < found[1]


def test_what_lightgbm_takes_for_zero_takes_zeros_branches():
    features = np.repeat([[-1.0], [0.0], [1.0]], 50, axis=0)
    model = trained(features, np.repeat([2.0, 0.0, 1.0], 50), rounds=1)
    near = np.array([1e-35, 1e-36, 0.0], np.float32)
    near = np.concatenate([near, -near, np.nextafter(near[:1], np.float32(1)), np.nextafter(-near[:1], np.float32(-1))])
    expected = model.predict(near[:, None], num_threads=1)
    assert len(set(expected)) == 3
    np.testing.assert_allclose(scores(trees_to_onnx(model), near[:, None]), expected, rtol=1e-6)


def test_a_tree_without_splits_is_its_value():
    model = trained(np.zeros((50, 2)), np.arange(50.0), rounds=3)
    np.testing.assert_allclose(scores(trees_to_onnx(model), np.ones((2, 2), np.float32)), 24.5, rtol=1e-6)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_down_gives_the_largest_float32_that_is_not_above(threshold):
    rounded = rounded_down([threshold])[0]
    with np.errstate(over="ignore"):
        above = np.nextafter(rounded, np.float32(np.inf))
    assert float(rounded) <= threshold
    assert float(above) > threshold


def test_a_model_that_a_graph_cannot_say_is_refused_by_name():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 5, (200, 1)).astype(float)
    categorical = lightgbm.train(
        {"objective": "regression", **PARAMETERS, "min_data_per_group": 1, "cat_smooth": 0},
        lightgbm.Dataset(features, np.isin(features[:, 0], [1, 3]), categorical_feature=[0]),
        num_boost_round=2,
    )
    with pytest.raises(TrainingError, match="splits on categories"):
        trees_to_onnx(categorical)
    classes = trained(features, features[:, 0], rounds=2, objective="multiclass", num_class=5)
    with pytest.raises(TrainingError, match="several outputs"):
        trees_to_onnx(classes)


def test_an_export_that_scores_otherwise_is_not_written(tmp_path, monkeypatch):
    features = np.random.default_rng(0).normal(size=(200, 3))
    model = trained(features, features[:, 0])
    other = trees_to_onnx(trained(features, features[:, 1]))
    monkeypatch.setattr(onnx_trees, "trees_to_onnx", lambda model: other)
    with pytest.raises(TrainingError, match="scores differ from the model's"):
        export_trees_onnx(model.model_to_string(), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
