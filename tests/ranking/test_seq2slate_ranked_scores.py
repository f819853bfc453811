"""Scores whose descending order is the model's ranking."""

import numpy as np
import pytest

from ranking.seq2slate import beam_search, decode, greedy_choice, list_ranker, rank_lists
from seriatim_errors import ConfigError, DataError
from tests.ranking.generated_lists import lists_of
from tests.ranking.tiny_seq2slate import clicked_lists, tiny_model

MODEL = tiny_model(dtype="float32")


def ranked_rows(scores, list_size=8):
    return np.argsort(-scores.reshape(-1, list_size), axis=1, kind="stable")


def test_one_step_ranking_sorts_by_the_first_logits_and_shares_its_top_with_greedy():
    lists = clicked_lists()
    one_step = rank_lists(MODEL, lists, "one_step", 8).reshape(-1, 8)
    padded = lists.padded()
    first = decode(MODEL, padded.features, padded.mask, 1, greedy_choice()).logits.numpy()[:, 0]
    np.testing.assert_allclose(one_step, first, atol=1e-5)
    greedy = rank_lists(MODEL, lists, "greedy", 8).reshape(-1, 8)
    assert (greedy.argmax(axis=1) == first.argmax(axis=1)).all()


@pytest.mark.parametrize(("decoding", "slate_size"), [("greedy", 1), ("greedy", 12), ("beam", 3)])
def test_scores_place_k_items_and_keep_the_rest_in_base_order(decoding, slate_size):
    lists = clicked_lists()
    ranked = ranked_rows(rank_lists(MODEL, lists, decoding, slate_size))
    padded = lists.padded()
    if decoding == "greedy":
        order = decode(MODEL, padded.features, padded.mask, slate_size, greedy_choice()).order.numpy()
    else:
        order = beam_search(MODEL, padded.features, padded.mask, slate_size, 4).order.numpy()[:, 0]
    assert (ranked[:, :slate_size] == order[:, :8]).all()
    assert (np.diff(ranked[:, slate_size:], axis=1) > 0).all()


def test_scores_stand_in_the_rows_of_their_lists_whatever_the_batches():
    lists = lists_of([4, 1, 7, 0, 3, 5])
    whole = rank_lists(MODEL, lists, "greedy", 3)
    in_pairs = rank_lists(MODEL, lists, "greedy", 3, batch_size=2)
    rank = list_ranker(MODEL, "greedy", 3)
    for index in range(len(lists)):
        rows = slice(lists.offsets[index], lists.offsets[index + 1])
        alone = rank(lists.select([index]))
        assert np.argsort(-whole[rows]).tolist() == np.argsort(-alone).tolist() == np.argsort(-in_pairs[rows]).tolist()


def test_sampled_slates_are_fixed_by_the_seed_and_not_by_the_batches():
    lists = lists_of([4, 1, 7, 0, 3, 5])
    whole = rank_lists(MODEL, lists, "sampling", 3, temperature=2.0, seed=1)
    assert (whole == rank_lists(MODEL, lists, "sampling", 3, batch_size=2, temperature=2.0, seed=1)).all()
    assert (whole != rank_lists(MODEL, lists, "sampling", 3, temperature=2.0, seed=2)).any()


def test_sampled_slates_follow_the_models_probabilities_and_a_cold_sample_is_greedy():
    lists = lists_of([3] * 3000)
    lists = lists.with_features(np.tile(lists.features[:3], (3000, 1)))
    padded = lists.select([0]).padded()
    decoded = decode(MODEL, padded.features, padded.mask, 1, greedy_choice(), temperature=2.0)
    probability = np.exp(decoded.logits.numpy()[0, 0] / 2.0)
    first = rank_lists(MODEL, lists, "sampling", 3, temperature=2.0).reshape(-1, 3).argmax(axis=1)
    observed = np.bincount(first, minlength=3) / 3000
    assert np.abs(observed - probability / probability.sum()).max() < 4 * np.sqrt(0.25 / 3000)
    cold = rank_lists(MODEL, lists, "sampling", 3, temperature=1e-3)
    assert (ranked_rows(cold, 3) == ranked_rows(rank_lists(MODEL, lists, "greedy", 3), 3)).all()


def test_no_lists_give_no_scores():
    assert rank_lists(MODEL, lists_of([3]).select(np.zeros(1, bool)), "greedy", 3).shape == (0,)


def test_lists_of_other_features_are_refused_by_name():
    with pytest.raises(DataError, match="the lists have 5, the model was trained on 3"):
        rank_lists(MODEL, lists_of([3], features=5), "greedy", 3)


@pytest.mark.parametrize(
    ("decoding", "slate_size", "message"),
    [("best", 3, "decoding: 'best'; choose one of greedy"), ("greedy", 0, "slate_size: 0; give 1 or more")],
)
def test_an_unknown_decoding_and_an_empty_slate_are_refused(decoding, slate_size, message):
    with pytest.raises(ConfigError, match=message):
        rank_lists(MODEL, lists_of([3]), decoding, slate_size)
