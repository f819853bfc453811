"""Which lists, items and weights a listwise loss sees, and what TensorFlow Ranking's losses make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ranking.base_rankers import TFRanking
from ranking.base_rankers.training_examples import NO_PART, training_examples
from ranking.lists import RankingLists
from seriatim_errors import DataError, TrainingError
from tests.ranking.generated_lists import lists_of


def graded(*lists: list[float], weights: list[float] | None = None) -> RankingLists:
    drawn = lists_of([len(grades) for grades in lists])
    given = None if weights is None else np.array(weights, np.float32)
    return replace(drawn, grades=np.array([grade for grades in lists for grade in grades], np.float32), weights=given)


def test_only_lists_with_different_labels_teach() -> None:
    examples = training_examples(graded([0, 0], [1, 0], [2, 2], [], [1], [2, 1, 0]), "grade")
    assert examples.lists.request_ids.tolist() == ["r1", "r5"]
    assert examples.labels.tolist() == [1, 0, 2, 1, 0]
    assert examples.list_weights.tolist() == [1, 1]


def test_clicks_are_read_when_asked_for() -> None:
    lists = replace(graded([0, 1, 2]), clicks=np.array([1, 0, 0], np.float32))
    assert training_examples(lists, "clicked").labels.tolist() == [1, 0, 0]


def test_items_of_weight_zero_take_no_part() -> None:
    lists = graded([1, 0, 0], [1, 0, 1], [2, 0, 1], weights=[1, 0, 1, 1, 0, 1, 0, 1, 1])
    examples = training_examples(lists, "grade")
    assert examples.lists.request_ids.tolist() == ["r0", "r2"]
    assert examples.labels.tolist() == [1, NO_PART, 0, NO_PART, 0, 1]


def test_a_list_weighs_as_its_relevant_items_do_on_average_by_label() -> None:
    examples = training_examples(graded([2, 1, 0], [0, 1, 1], weights=[3, 6, 50, 50, 1, 0]), "grade")
    assert examples.list_weights.tolist() == pytest.approx([(2 * 3 + 6) / 3, 1.0])


def test_lists_without_order_or_labels_are_refused_by_name() -> None:
    for lists in (graded([0, 0], [1]), graded([]), graded([1, 0], weights=[0, 0])):
        with pytest.raises(TrainingError, match=f"in each of the {len(lists)} lists all items with weight"):
            training_examples(lists, "grade")
    with pytest.raises(DataError, match="label 'grade': the data hold no such column"):
        training_examples(replace(graded([1, 0]), grades=None), "grade")


@pytest.mark.parametrize("loss", ["softmax", "approx_ndcg"])
def test_padding_and_silent_items_change_no_loss_of_tensorflow_ranking(loss: str) -> None:
    of_lists = TFRanking(loss=loss).list_loss()
    logits, labels = tf.constant([[1.0, -0.5, 0.2]]), tf.constant([[0.0, 2.0, 1.0]])
    wider = tf.concat([logits, [[9.0, -9.0]]], 1), tf.concat([labels, [[NO_PART, NO_PART]]], 1)
    assert float(of_lists(*wider)[0]) == pytest.approx(float(of_lists(logits, labels)[0]), abs=1e-5)


def test_the_losses_of_tensorflow_ranking_are_their_formulas_a_list_each() -> None:
    logits, labels = np.array([[1.0, -0.5, 0.2], [0.0, 0.3, 2.0]]), np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    given = tf.constant(logits, tf.float32), tf.constant(labels, tf.float32)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert TFRanking().list_loss()(*given).numpy() == pytest.approx(-(labels * log_p).sum(axis=1), abs=1e-5)
    # Smooth ranks by a sigmoid of differences over the temperature 0.1.
    differences = (logits[:, None, :] - logits[:, :, None]) / 0.1
    ranks = 0.5 + (1 / (1 + np.exp(-differences))).sum(axis=2)
    gain = ((2**labels - 1) / np.log2(1 + ranks)).sum(axis=1)
    ideal = np.array([1 + 1 / np.log2(3), 1.0])
    approx = TFRanking(loss="approx_ndcg").list_loss()(*given).numpy()
    assert approx == pytest.approx(-gain / ideal, abs=1e-5)
    gumbel = TFRanking(loss="gumbel_approx_ndcg").list_loss()(*given).numpy()
    assert gumbel.shape == (2,)
    assert ((gumbel < 0) & (gumbel >= -1)).all()
