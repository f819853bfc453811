"""Properties that seq2slate's specification lists, for every architecture and under constraints, against oracles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranking.lists import PaddedLists
from ranking.metrics import evaluate_lists
from ranking.seq2slate import (
    Decoded,
    Seq2Slate,
    Seq2SlateSettings,
    SlateConstraints,
    beam_search,
    decode,
    forced_choice,
    greedy_choice,
    rank_lists,
    slate_loss,
    train_seq2slate,
)
from ranking.seq2slate.losses import STEP_LOSSES
from ranking.seq2slate.objectives import path_objective
from ranking.seq2slate.training_step import TrainingStep
from tests.ranking.generated_lists import lists_of
from tests.ranking.tiny_seq2slate import (
    ARCHITECTURES,
    Architecture,
    all_slates,
    clicked_lists,
    decoded_along,
    random_items,
    slate_probabilities,
    tiny_model,
)

MODELS = {kind: tiny_model(**kind._asdict()) for kind in ARCHITECTURES}
LABELS = np.array([[0.0, 1.0, 0.0, 1.0]])
IMPOSSIBLE = -1e8


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_probabilities_of_all_slates_of_six_items_sum_to_one(kind: Architecture) -> None:
    assert slate_probabilities(decoded_along(MODELS[kind], random_items(1, 6), all_slates(6))).sum() == pytest.approx(1)


# Constraints: a rule a list of five items, as an oracle in plain Python reads it.


class Rules:
    """Pins (0 for none), categories (-1 for none), a cap, and pairs that may not stand beside each other."""

    def __init__(self, pinned: list[int], categories: list[int], cap: int, pairs: list[tuple[int, int]]) -> None:
        self.pinned, self.categories, self.cap = pinned, categories, cap
        self.pairs = {frozenset(pair) for pair in pairs}

    def slates(self, steps: int, placed: tuple[int, ...] = ()) -> NDArray[np.int64]:
        """Every slate that obeys, `[slates, steps]`, -1 where nobody may stand."""
        if len(placed) == steps:
            return np.array([placed])
        following = self.eligible(list(placed)) or [-1]
        return np.concatenate([self.slates(steps, (*placed, row)) for row in following])

    def eligible(self, placed: list[int]) -> list[int]:
        """Who may stand next, after the rows `placed` (-1: nobody)."""
        left = [row for row in range(len(self.pinned)) if row not in placed]
        due = [row for row in left if self.pinned[row] == len(placed) + 1]
        if due:
            return due
        counted = [*placed, *(row for row in left if self.pinned[row])]
        following = [row for row in left if self.pinned[row] == len(placed) + 2]
        neighbours = [row for row in placed if row >= 0][-1:] + following
        return [
            row
            for row in left
            if not self.pinned[row]
            and (self.categories[row] < 0 or self._count(counted, self.categories[row]) < self.cap)
            and not any(frozenset((row, other)) in self.pairs for other in neighbours)
        ]

    def _count(self, rows: list[int], category: int) -> int:
        return sum(row >= 0 and self.categories[row] == category for row in rows)

    def constraints(self, copies: int = 1) -> SlateConstraints:
        """The same for the model, for `copies` lists."""
        size = len(self.pinned)
        forbidden = np.zeros((size, size), bool)
        for first, second in map(tuple, self.pairs):
            forbidden[first, second] = forbidden[second, first] = True
        return SlateConstraints(
            np.ones((copies, size), bool),
            np.tile(self.pinned, (copies, 1)),
            np.tile(self.categories, (copies, 1)),
            self.cap,
            np.tile(forbidden, (copies, 1, 1)),
        )


RULES = {
    "free": Rules([0] * 5, [-1] * 5, 1, []),
    "pin": Rules([0, 2, 0, 0, 0], [-1] * 5, 1, []),
    "cap": Rules([0] * 5, [0, 0, 1, 1, -1], 1, []),
    "neighbours": Rules([0] * 5, [-1] * 5, 1, [(0, 1), (2, 3)]),
    "all": Rules([0, 3, 0, 0, 0], [0, 0, 1, -1, 2], 1, [(2, 4), (1, 3)]),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_slates_log_probability_is_the_product_of_its_steps_over_the_eligible_items(
    kind: Architecture, rules: Rules
) -> None:
    model, items = MODELS[kind], random_items(1, 5)
    slates = np.unique(np.concatenate([all_slates(5, 3), rules.slates(3)]), axis=0)
    held = decoded_along(model, items, slates, constraints=rules.constraints())
    # The logits that the free model has along the same paths; constraints may only choose among them.
    logits = free_logits(model, items, slates)
    total = 0.0
    for index, slate in enumerate(slates.tolist()):
        expected = 0.0
        for step, row in enumerate(slate):
            eligible = rules.eligible(slate[:step])
            if row not in (eligible or [-1]):
                expected = -np.inf
                break
            if eligible:
                expected += logits[index, step, row] - np.logaddexp.reduce(logits[index, step, eligible])
        ours = held.log_probabilities.numpy()[index].sum()
        assert ours == pytest.approx(expected, abs=1e-9) if np.isfinite(expected) else ours < IMPOSSIBLE
        total += np.exp(expected)
    assert total == pytest.approx(1)


def free_logits(model: Seq2Slate, items: NDArray, slates: NDArray[np.int64]) -> NDArray[np.float64]:
    """Unmasked logits along each path, stepping the network by hand."""
    repeated = tf.repeat(tf.constant(items), len(slates), axis=0)
    encoded = model.encode(repeated, tf.ones(repeated.shape[:2], tf.bool))
    state, logits = model.first_state(encoded), []
    for step in range(slates.shape[1]):
        here, state = model.step(encoded, state)
        logits.append(here.numpy())
        state = model.placed(encoded, state, tf.constant(slates[:, step]))
    return np.stack(logits, axis=1)


def flat(gradients: Sequence[tf.Tensor | NDArray]) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(gradient) for gradient in gradients])


def exact_gradient(
    model: Seq2Slate, items: NDArray, value: Callable[[Decoded, tf.Tensor], tf.Tensor], through_choices: bool = True
) -> NDArray[np.float64]:
    """The gradient of `sum_pi p(pi) value(pi)` over all slates; without `through_choices` p is taken for constant."""
    with tf.GradientTape() as tape:
        decoded = decoded_along(model, items, all_slates(4))
        probability = tf.exp(tf.reduce_sum(decoded.log_probabilities, axis=1))
        probability = probability if through_choices else tf.stop_gradient(probability)
        labels = tf.cast(repeated_labels(decoded), decoded.logits.dtype)
        expected = tf.reduce_sum(probability * value(decoded, labels))
    return flat(tape.gradient(expected, model.trainable_variables, unconnected_gradients="zero"))


def loss_of(loss: str) -> Callable[[Decoded, tf.Tensor], tf.Tensor]:
    return lambda decoded, labels: slate_loss(decoded, labels, loss)


def repeated_labels(decoded: Decoded) -> tf.Tensor:
    return tf.repeat(tf.constant(LABELS), len(decoded.order), axis=0)


@pytest.mark.parametrize("loss", STEP_LOSSES)
@pytest.mark.parametrize("baseline", [0.0, 4.0, -2.0])
def test_the_papers_two_terms_written_out_are_the_enumerated_gradient_for_any_baseline(
    loss: str, baseline: float
) -> None:
    model, items = MODELS[Architecture("lstm")], random_items(1, 4)
    with tf.GradientTape(persistent=True) as tape:
        decoded = decoded_along(model, items, all_slates(4))
        losses = slate_loss(decoded, repeated_labels(decoded), loss)
        log_probability = tf.reduce_sum(decoded.log_probabilities, axis=1)
        probability = tf.stop_gradient(tf.exp(log_probability))
        first = tf.reduce_sum(probability * losses)
        second = tf.reduce_sum(probability * tf.stop_gradient(losses - baseline) * log_probability)
    first_term, second_term = (flat(tape.gradient(part, model.trainable_variables)) for part in (first, second))
    exact = exact_gradient(model, items, loss_of(loss))
    np.testing.assert_allclose(first_term + second_term, exact, atol=1e-9)
    # Either term alone is something else, by far more than rounding.
    for alone in (first_term, second_term):
        assert np.abs(alone - exact).max() > 0.05 * np.abs(exact).max()


def trained_gradient(decoded_by: Any, model: Seq2Slate, items: NDArray, loss: str, seed: int) -> NDArray[np.float64]:
    """What training would descend on if it met every slate as often as the model draws it."""
    baseline = tf.constant(np.random.default_rng(seed).normal(size=4))
    chosen = Seq2SlateSettings(training="sampling", loss=loss, hidden_size=4)  # type: ignore[arg-type]
    with tf.GradientTape() as tape:
        decoded = decoded_along(model, items, all_slates(4))
        probability = tf.stop_gradient(tf.exp(tf.reduce_sum(decoded.log_probabilities, axis=1)))
        objective = path_objective(decoded_by(decoded), repeated_labels(decoded), chosen, baseline)
        surrogate = tf.reduce_sum(probability * objective.surrogate)
    return flat(tape.gradient(surrogate, model.trainable_variables))


def without_score_function(decoded: Decoded) -> Decoded:
    return decoded._replace(log_probabilities=tf.stop_gradient(decoded.log_probabilities))


@pytest.mark.parametrize("loss", STEP_LOSSES)
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_training_descends_on_the_expected_loss_and_would_not_without_its_score_function_term(
    kind: Architecture, loss: str
) -> None:
    model, items = MODELS[kind], random_items(1, 4)
    exact = exact_gradient(model, items, loss_of(loss))
    for seed in range(2):
        np.testing.assert_allclose(trained_gradient(lambda x: x, model, items, loss, seed), exact, atol=1e-9)
    dropped = trained_gradient(without_score_function, model, items, loss, 0)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(dropped, exact, atol=1e-9)


def updates(model: Seq2Slate, batch: PaddedLists, chosen: Seq2SlateSettings, count: int) -> NDArray[np.float64]:
    """Minus the changes that `count` steps of plain gradient descent make, each from the same weights."""
    step = TrainingStep(model, chosen, 4)
    step.optimizer = tf.keras.optimizers.SGD(1.0)
    step.optimizer.build(model.trainable_variables)
    before, changes = model.get_weights(), []
    for _ in range(count):
        step(batch)
        changes.append(flat(before) - flat(model.get_weights()))
        model.set_weights(before)
    return np.array(changes, np.float64)


@pytest.mark.parametrize("training", ["sampling", "reinforce"])
def test_the_compiled_training_step_descends_on_the_enumerated_gradient_on_average(training: str) -> None:
    items, copies = random_items(1, 4, dtype=np.float32), 256
    model = tiny_model(dtype="float32")
    batch = PaddedLists(
        np.repeat(items, copies, axis=0), np.ones((copies, 4), bool), np.repeat(LABELS.astype(np.float32), copies, 0)
    )
    chosen = Seq2SlateSettings(training=training, dropout=0.0, l2=0.0, hidden_size=4)  # type: ignore[arg-type]

    def value(decoded: Decoded, labels: tf.Tensor) -> tf.Tensor:
        return path_objective(decoded, labels, chosen, tf.zeros(4)).value

    exact, pathwise = (exact_gradient(model, items, value, through_choices) for through_choices in (True, False))
    drawn = updates(model, batch, chosen, 40)
    error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)) + 1e-5
    assert (np.abs(drawn.mean(axis=0) - exact) < 5 * error).all()
    # The gradient that takes paths for constant is told apart by the same measure.
    assert (np.abs(pathwise - exact) > 5 * error).any()


@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    extra=st.integers(0, 3),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(ARCHITECTURES),
)
@settings(max_examples=25, deadline=None)
def test_given_slates_beams_losses_and_gradients_depend_neither_on_padding_nor_on_batch_mates(
    sizes: list[int], extra: int, seed: int, kind: Architecture
) -> None:
    model, rng = MODELS[kind], np.random.default_rng(seed)
    width, steps = max(sizes) + extra, 4
    mask = np.arange(width) < np.array(sizes)[:, None]
    items = random_items(len(sizes), width, seed)
    labels = (rng.random(mask.shape) < 0.5) * mask * 1.0
    categories = rng.integers(-1, 2, mask.shape)
    slates = np.full((len(sizes), steps), -1)
    for row, size in enumerate(sizes):
        path = rng.permutation(size)[:steps]
        slates[row, : len(path)] = path
    loss, gradient, decoded = weighed(model, items, mask, labels, slates)
    alone_gradient = np.zeros_like(gradient)
    beams = beam_search(model, items, mask, 3, 3, SlateConstraints(mask, None, categories, 1))
    for row, size in enumerate(sizes):
        one = np.s_[row : row + 1, :size]
        alone_loss, part, alone = weighed(model, items[one], mask[one], labels[one], slates[row : row + 1])
        assert loss[row] == pytest.approx(alone_loss[0], abs=1e-9)
        alone_gradient += part
        ours, theirs = decoded.log_probabilities.numpy()[row], alone.log_probabilities.numpy()[0]
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
        found = beam_search(model, items[one], mask[one], 3, 3, SlateConstraints(mask[one], None, categories[one], 1))
        assert beams.order.numpy()[row].tolist() == found.order.numpy()[0].tolist()
        np.testing.assert_allclose(beams.log_probabilities.numpy()[row], found.log_probabilities.numpy()[0])
    np.testing.assert_allclose(gradient, alone_gradient, atol=1e-8)


def weighed(
    model: Seq2Slate, items: NDArray, mask: NDArray, labels: NDArray, slates: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64], Decoded]:
    """Losses of given slates, the gradient of their sum with the slates' log-probabilities, and the decoding."""
    with tf.GradientTape() as tape:
        decoded = decode(model, items, mask, slates.shape[1], forced_choice(tf.constant(slates)))
        losses = slate_loss(decoded, tf.constant(labels), "cross_entropy")
        total = tf.reduce_sum(losses) + tf.reduce_sum(decoded.log_probabilities)
    gradient = tape.gradient(total, model.trainable_variables, unconnected_gradients="zero")
    return losses.numpy(), flat(gradient), decoded


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_one_step_ranking_is_the_stable_sort_of_the_first_logits_of_lists_of_any_size(kind: Architecture) -> None:
    model = tiny_model(dtype="float32", **kind._asdict())
    lists = lists_of([4, 1, 7, 2, 5])
    # Twins tie under an encoder that reads a set.
    twins = lists.features.copy()
    twins[6:9] = twins[5]
    lists = lists.with_features(twins)
    scores = rank_lists(model, lists, "one_step", 7)
    greedy = rank_lists(model, lists, "greedy", 7)
    padded = lists.padded()
    first = decode(model, padded.features, padded.mask, 1, greedy_choice()).logits.numpy()[:, 0]
    for index, (start, end) in enumerate(zip(lists.offsets[:-1], lists.offsets[1:], strict=True)):
        expected = np.argsort(-first[index, : end - start], kind="stable")
        assert np.argsort(-scores[start:end], kind="stable").tolist() == expected.tolist()
        assert greedy[start:end].argmax() == expected[0]
    if kind.encoder == "set_transformer":
        assert len(np.unique(scores[5:9])) == 1


@pytest.mark.parametrize("loss", STEP_LOSSES)
def test_neither_loss_nor_gradient_knows_the_steps_after_the_last_clicked_item(loss: str) -> None:
    model, items = MODELS[Architecture("lstm")], random_items(1, 5)
    labels = tf.constant([[0.0, 0.0, 1.0, 0.0, 1.0]], tf.float64)

    def outcome(slate: list[int]) -> tuple[float, NDArray[np.float64]]:
        with tf.GradientTape() as tape:
            value = slate_loss(decoded_along(model, items, np.array([slate])), labels, loss)
        return value.numpy()[0], flat(tape.gradient(value, model.trainable_variables))

    whole, other, short = outcome([2, 0, 4, 1, 3]), outcome([2, 0, 4, 3, 1]), outcome([2, 0, 4])
    for value, gradient in (other, short):
        assert value == pytest.approx(whole[0])
        np.testing.assert_allclose(gradient, whole[1], atol=1e-12)


def test_sixteen_lists_can_be_learnt_by_heart() -> None:
    lists = clicked_lists(16)
    chosen = Seq2SlateSettings(
        hidden_size=32, epochs=80, batch_size=16, learning_rate=0.02, dropout=0.0, l2=0.0, patience=80, steps=3
    )
    trained = train_seq2slate(lists, lists, chosen)
    assert lists.clicks is not None
    ranked = evaluate_lists(lists, rank_lists(trained.model, lists, "greedy", 3), lists.clicks)
    assert ranked["ndcg"].tolist() == [1.0] * 16
