"""Odd but well-defined input to every public entry of ranking gets its documented neutral value, never NaN."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from ranking.base_rankers import AsLogged, LambdaMART
from ranking.click_models import Cascade, DiverseClicks, SimilarClicks
from ranking.lists import RankingLists
from ranking.metrics import bootstrap_interval, evaluate_lists
from ranking.off_policy import (
    LoggedImpressions,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from ranking.rate_constraints import GateSettings, train_gate
from ranking.seq2slate import (
    Seq2SlateSettings,
    SlateConstraints,
    beam_search,
    decode,
    export_saved_model,
    greedy_choice,
    rank_lists,
    sampled_choice,
    train_seq2slate,
)
from ranking.standardisation import Standardisation
from seriatim_errors import DataError
from tests.ranking.generated_lists import lists_of
from tests.ranking.odd_lists import (
    CLICK_MODELS,
    CLICKS,
    CONSTANT,
    DUPLICATES,
    EMPTY_AMONG,
    ITEMS,
    LISTS,
    NOTHING,
    ODD,
    SINGLES,
    clicks_of,
)
from tests.ranking.tiny_seq2slate import ENCODERS, FEATURES, random_items, tiny_model

TREES = LambdaMART(trees=3, min_data_in_leaf=5)
SMALL = Seq2SlateSettings(hidden_size=8, epochs=1, batch_size=64, steps=2)
MODEL = tiny_model(dtype="float32")
CANDIDATES, MASK = random_items(2, 4), np.array([[True, True, True, False], [False] * 4])


def no_nan(value: Any) -> bool:
    """Whether nothing in a result, however nested, is NaN."""
    if is_dataclass(value) and not isinstance(value, type):
        return no_nan(asdict(value))
    if isinstance(value, dict):
        return all(no_nan(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return all(no_nan(part) for part in value)
    array = np.asarray(value)
    return not (np.issubdtype(array.dtype, np.floating) and np.isnan(array).any())


@pytest.mark.parametrize("policy", ["zero", "one"])
@pytest.mark.parametrize("lists", ODD.values(), ids=ODD.keys())
def test_evaluation_of_odd_lists_has_no_nan_but_where_lists_are_skipped(lists: RankingLists, policy: str) -> None:
    assert lists.clicks is not None
    scores, labels = np.zeros(len(lists.item_ids)), lists.clicks
    assert no_nan(evaluate_lists(lists, scores, labels, no_relevant=policy))  # type: ignore[arg-type]
    skipped = evaluate_lists(lists, scores, labels)
    clicked = np.bincount(lists.list_index, labels, len(lists)) > 0
    assert all((np.isnan(values) == ~clicked).all() for values in skipped.values())
    interval = bootstrap_interval(skipped["map"], samples=10)
    assert interval.count == clicked.sum()


@pytest.mark.parametrize("lists", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("model", CLICK_MODELS.values(), ids=CLICK_MODELS.keys())
def test_click_models_answer_zeros_and_ones_on_odd_lists(model: Any, lists: RankingLists) -> None:
    clicks = clicks_of(model, lists)
    assert set(clicks.tolist()) <= {0.0, 1.0}
    assert len(clicks) == len(lists.item_ids)


def test_where_all_items_are_alike_a_diverse_user_clicks_the_first_and_a_similar_one_all_after_it() -> None:
    relevance = np.ones(ITEMS)
    first = np.zeros(ITEMS)
    first[LISTS.offsets[:-1]] = 1
    assert clicks_of(DiverseClicks(Cascade()), CONSTANT, relevance).tolist() == first.tolist()
    assert clicks_of(SimilarClicks(Cascade()), CONSTANT, first).tolist() == relevance.tolist()


def test_equal_ids_are_two_items_to_every_part() -> None:
    other = np.random.default_rng(1).random(ITEMS)
    plain, doubled = (evaluate_lists(lists, other, CLICKS, no_relevant="zero") for lists in (LISTS, DUPLICATES))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, doubled[name])
    for model in CLICK_MODELS.values():
        assert clicks_of(model, LISTS).tolist() == clicks_of(model, DUPLICATES).tolist()
    assert TREES.fit(LISTS).score(LISTS).tolist() == TREES.fit(DUPLICATES).score(DUPLICATES).tolist()
    narrow = lists_of([4, 3], features=FEATURES)
    twins = replace(narrow, item_ids=np.full(7, "same", object))
    assert rank_lists(MODEL, narrow, "greedy", 3).tolist() == rank_lists(MODEL, twins, "greedy", 3).tolist()


def test_trees_on_constant_features_know_no_order_and_keep_the_base_one() -> None:
    trained = TREES.fit(CONSTANT, CONSTANT)
    assert set(trained.score(CONSTANT).tolist()) == {0.0}
    assert no_nan(trained.curve)
    assert CONSTANT.descending_order(trained.score(CONSTANT)).tolist() == list(range(ITEMS))


@pytest.mark.parametrize("lists", [EMPTY_AMONG, SINGLES, NOTHING, DUPLICATES], ids=["empty", "single", "no", "twins"])
def test_fitted_base_rankers_score_odd_lists(lists: RankingLists) -> None:
    for ranker in (TREES.fit(EMPTY_AMONG), AsLogged().fit(NOTHING)):
        scores = ranker.score(lists)
        assert scores.shape == (len(lists.item_ids),)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("training", ["greedy", "sampling", "one_step", "reinforce"])
def test_seq2slate_trains_to_finite_weights_on_constant_lists_of_any_size(training: str) -> None:
    drawn = lists_of([3, 0, 1, 5, 0, 1, 4], features=4)
    constant = drawn.with_features(np.ones_like(drawn.features))
    trained = train_seq2slate(constant, LISTS, replace(SMALL, training=training))  # type: ignore[arg-type]
    assert all(np.isfinite(weight).all() for weight in trained.model.get_weights())
    assert no_nan(trained.history)


def test_lists_of_one_item_have_no_loss() -> None:
    assert train_seq2slate(SINGLES, LISTS, replace(SMALL, training="one_step")).history[0]["loss"] == 0


@pytest.mark.parametrize("encoder", ENCODERS)
def test_padding_may_hold_anything_even_nan(encoder: str) -> None:
    model = tiny_model(encoder=encoder)
    garbage = CANDIDATES.copy()
    garbage[~MASK] = np.nan
    with tf.GradientTape() as tape:
        decoded = decode(model, garbage, MASK, 4, greedy_choice())
        total = tf.reduce_sum(decoded.log_probabilities)
    gradients = tape.gradient(total, model.trainable_variables, unconnected_gradients="zero")
    expected = decode(model, CANDIDATES, MASK, 4, greedy_choice())
    for ours, clean in zip(decoded, expected, strict=True):
        assert np.array_equal(ours[0].numpy(), clean[0].numpy())
    assert no_nan([gradient.numpy() for gradient in gradients])
    assert no_nan(beam_search(model, garbage, MASK, 4, 2).log_probabilities.numpy())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_lists_without_any_item_get_empty_slates_of_probability_one(encoder: str) -> None:
    model, nothing = tiny_model(encoder=encoder), np.zeros((2, 4), bool)
    rules = SlateConstraints(nothing, np.zeros((2, 4), int), np.full((2, 4), -1), 1, np.zeros((2, 4, 4), bool))
    for constraints in (None, rules):
        for choose in (greedy_choice(), sampled_choice(tf.constant([0, 1]))):
            decoded = decode(model, CANDIDATES, nothing, 3, choose, constraints=constraints)
            assert (decoded.order.numpy() == -1).all()
            assert not decoded.log_probabilities.numpy().any()
        beams = beam_search(model, CANDIDATES, nothing, 3, 2, constraints)
        assert (beams.order.numpy() == -1).all()
        assert beams.log_probabilities.numpy().tolist() == [[0, -np.inf]] * 2


@pytest.mark.parametrize("decoding", ["greedy", "one_step", "beam"])
@pytest.mark.parametrize("name", ["constant", "empty among", "nothing", "single", "duplicates"])
def test_ranking_odd_lists_gives_a_finite_score_an_item(name: str, decoding: str) -> None:
    lists = ODD[name]
    narrow = replace(lists, features=lists.features[:, :FEATURES], feature_names=lists.feature_names[:FEATURES])
    scores = rank_lists(MODEL, narrow, decoding, 3)  # type: ignore[arg-type]
    assert scores.shape == (len(lists.item_ids),)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("decoding", ["greedy", "one_step", "beam"])
def test_arithmetic_that_overflows_is_no_ranking(decoding: str) -> None:
    model = tiny_model(dtype="float32", encoder="transformer")
    model.set_weights([weight * np.float32(1e19) for weight in model.get_weights()])
    lists = lists_of([4, 2], features=FEATURES)
    with pytest.raises(DataError, match=r"features: those of request 'r[01]' are too large"):
        rank_lists(model, lists.with_features(lists.features * np.float32(1e30)), decoding, 3)  # type: ignore[arg-type]


def test_arithmetic_that_overflows_is_no_slate() -> None:
    model = tiny_model(dtype="float32", encoder="transformer")
    model.set_weights([weight * np.float32(1e19) for weight in model.get_weights()])
    items, mask = CANDIDATES.astype(np.float32) * np.float32(1e30), MASK
    for slates in (
        lambda: decode(model, items, mask, 2, greedy_choice()),
        lambda: decode(model, items, mask, 2, sampled_choice(tf.constant([0, 1]))),
        lambda: beam_search(model, items, mask, 2, 2),
    ):
        with pytest.raises(DataError, match="features: the model's arithmetic overflows"):
            slates()


def test_a_saved_model_reads_no_padding(tmp_path: Path) -> None:
    model = tiny_model(dtype="float32", encoder="transformer")
    standard = Standardisation(np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32))
    export_saved_model(model, standard, 2, tmp_path / "saved")
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    garbage = np.where(MASK[:, :, None], CANDIDATES, np.nan).astype(np.float32)
    answer = serve(features=tf.constant(garbage), mask=tf.constant(MASK))
    clean = serve(features=tf.constant(CANDIDATES.astype(np.float32)), mask=tf.constant(MASK))
    for name, values in answer.items():
        np.testing.assert_array_equal(values[0].numpy(), clean[name][0].numpy())
        assert no_nan(values.numpy())


def test_a_constant_column_standardises_to_zero_however_large_it_is() -> None:
    for constant in (0.1, 123456.789, 3e38, 1e-40, 0.0):
        column = np.full((1000, 1), constant, np.float32)
        fitted = Standardisation.fit(column)
        assert fitted.scale.tolist() == [1.0]
        assert np.abs(fitted.apply(column)).max() <= 1e-6 * abs(constant)


@pytest.mark.parametrize("name", ["constant", "empty among", "single", "duplicates"])
def test_gates_on_odd_lists_hold_a_finite_threshold(name: str) -> None:
    lists = ODD[name]
    assert lists.clicks is not None
    trained = train_gate(lists, lists.clicks, GateSettings(epochs=2, folds=2))
    assert np.isfinite(trained.threshold)
    assert no_nan([trained.history, trained.promise])


def impressions(rewards: list[float], propensities: list[float]) -> LoggedImpressions:
    return LoggedImpressions(np.array(rewards), np.array(propensities), np.arange(len(rewards)))


def test_an_off_policy_estimate_without_a_number_gives_its_reason() -> None:
    for estimator in (inverse_propensity_score, self_normalised_inverse_propensity_score):
        for log, target in ((impressions([], []), []), (impressions([1.0], [0.5]), [0.0])):
            estimate = estimator(log, np.array(target))
            assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
            assert not estimate.identifiable
            assert estimate.reason
