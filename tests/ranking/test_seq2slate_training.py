"""Training: every mode learns, one seed fixes the result, mistakes have names."""

import numpy as np
import pytest

from ranking.metrics import evaluate_lists
from ranking.seq2slate import Seq2Slate, Seq2SlateSettings, rank_lists, train_seq2slate
from ranking.seq2slate.batches import bucketed_batches
from seriatim_errors import ConfigError, DataError, TrainingError
from tests.ranking.generated_lists import lists_of
from tests.ranking.tiny_seq2slate import ENCODERS, clicked_lists


def small(training="greedy", **changes):
    numbers = {
        "hidden_size": 16, "epochs": 40, "batch_size": 16, "learning_rate": 0.02, "dropout": 0.0, "l2": 0.0,
        "patience": 40, "steps": 4, "attention_heads": 2, "encoder_layers": 1,
    }  # fmt: skip
    return Seq2SlateSettings(training=training, **(numbers | changes))


@pytest.mark.parametrize("training", ["greedy", "sampling", "one_step", "reinforce"])
def test_every_training_mode_overfits_sixteen_lists(training):
    lists = clicked_lists(16)
    seen = []
    trained = train_seq2slate(lists, lists, small(training, batch_size=8), seen.append)
    assert seen == trained.history
    assert [row["step"] for row in seen] == list(range(1, len(seen) + 1))
    decoding = "one_step" if training == "one_step" else "greedy"
    scores = rank_lists(trained.model, lists, decoding, 4)
    assert evaluate_lists(lists, scores, lists.clicks)["ndcg_at_10"].mean() > (
        0.97 if training == "reinforce" else 0.99
    )


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_generalises_with_either_loss(encoder):
    loss = "smooth_hinge" if encoder == "lstm" else "cross_entropy"
    settings = small("greedy", epochs=25, encoder=encoder, loss=loss, learning_rate=0.01)
    trained = train_seq2slate(clicked_lists(96), clicked_lists(32, seed=1), settings)
    assert max(row["ndcg_at_10"] for row in trained.history) > 0.93


def test_the_model_returned_is_the_best_epochs():
    lists = clicked_lists(32)
    trained = train_seq2slate(lists, lists, small("one_step", learning_rate=0.2, epochs=6))
    scores = rank_lists(trained.model, lists, "one_step", 4)
    reached = evaluate_lists(lists, scores, lists.clicks)["ndcg_at_10"].mean()
    assert reached == pytest.approx(max(row["ndcg_at_10"] for row in trained.history))


def test_training_stops_after_epochs_without_gain():
    # Without a learning rate to speak of nothing changes after the first epoch.
    trained = train_seq2slate(clicked_lists(), clicked_lists(), small("one_step", learning_rate=1e-12, patience=3))
    assert len(trained.history) == 4


def test_training_twice_with_one_seed_gives_equal_weights():
    settings = small("sampling", epochs=2, batch_size=8, dropout=0.1, steps=2)
    first, again = (train_seq2slate(clicked_lists(), clicked_lists(8, seed=1), settings) for _ in range(2))
    for left, right in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_another_seed_gives_other_initial_weights(encoder):
    first, again, other = (Seq2Slate.from_settings(3, small(encoder=encoder, seed=seed)) for seed in (3, 3, 4))
    for left, right in zip(first.trainable_variables, again.trainable_variables, strict=True):
        np.testing.assert_array_equal(left, right)
    assert np.abs(first.attention - other.attention).max() > 1e-3
    assert np.abs(first.encoder.get_weights()[0] - other.encoder.get_weights()[0]).max() > 1e-3


def test_bucketed_batches_hold_every_list_once_and_lists_of_alike_size_together():
    sizes = np.random.default_rng(0).integers(1, 100, 1000)
    batches = bucketed_batches(sizes, 16, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(len(batch) for batch in batches) == 16
    padded = sum(len(batch) * sizes[batch].max() for batch in batches)
    assert padded < 1.15 * sizes.sum()
    other_epoch = bucketed_batches(sizes, 16, np.random.default_rng(2))
    assert {frozenset(batch) for batch in batches} != {frozenset(batch) for batch in other_epoch}


@pytest.mark.parametrize("which", ["training", "validation"])
def test_lists_without_any_click_are_refused_by_name(which):
    lists = clicked_lists()
    silent = lists.with_clicks(np.zeros(192))
    pair = (silent, lists) if which == "training" else (lists, silent)
    with pytest.raises(TrainingError, match=f"no click in the 24 {which} lists"):
        train_seq2slate(*pair, small())


def test_lists_of_other_features_are_refused_by_name():
    with pytest.raises(DataError, match="training lists have the features a, b, c"):
        train_seq2slate(clicked_lists(), lists_of([3, 4], features=3), small())


def test_a_learning_rate_that_diverges_is_named():
    with pytest.raises(TrainingError, match=r"lower learning_rate \(it is 1e\+38\)"):
        train_seq2slate(clicked_lists(), clicked_lists(), small("one_step", learning_rate=1e38))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": "oracle"}, "training: 'oracle'; choose one of greedy, sampling, one_step, reinforce"),
        ({"loss": "mse"}, "loss: 'mse'"),
        ({"encoder": "gru"}, "encoder: 'gru'"),
        ({"steps": 0}, "steps: 0; give 1 or more"),
        ({"hidden_size": 0}, "hidden_size: 0"),
        ({"dropout": 1.0}, "dropout: 1.0"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate: nan"),
        ({"decay_rate": 1.5}, "decay_rate: 1.5"),
        ({"encoder": "transformer", "hidden_size": 30}, "hidden_size: 30 is no multiple of attention_heads"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        Seq2SlateSettings(**changes)
