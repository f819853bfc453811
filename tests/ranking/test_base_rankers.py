from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ranking.base_rankers import AsLogged, BaseRanker, LambdaMART, out_of_fold_scores
from ranking.base_rankers.folds import cross_fit, request_folds
from ranking.base_rankers.lambdamart import ITEMS_A_THREAD, default_threads
from ranking.base_rankers.relevance_labels import with_relevant_items
from ranking.lists import RankingLists
from ranking.metrics import evaluate_lists
from seriatim_errors import DataError, SeriatimError, TrainingError
from tests.ranking.generated_lists import learnable_lists, lists_of

PLAN = LambdaMART(label="grade", trees=60, leaves=7, patience=10, num_threads=1)


def ndcg(lists: RankingLists, scores: np.ndarray) -> float:
    assert lists.grades is not None
    return float(np.nanmean(evaluate_lists(lists, scores, lists.grades)["ndcg_at_10"]))


def test_as_logged_reproduces_the_logged_positions() -> None:
    lists = lists_of([3, 2])
    assert lists.positions is not None
    shuffled = replace(lists, positions=np.array([2, 3, 1, 2, 1], np.int32))
    ranker = AsLogged().fit(lists)
    assert shuffled.descending_order(ranker.score(shuffled)).tolist() == [2, 0, 1, 4, 3]
    unplaced = replace(lists, positions=None)
    assert unplaced.descending_order(ranker.score(unplaced)).tolist() == [0, 1, 2, 3, 4]


def test_lambdamart_learns_an_order_that_holds_on_new_lists() -> None:
    train, unseen = learnable_lists(200, seed=0), learnable_lists(100, seed=1)
    trained = PLAN.fit(train)
    assert ndcg(unseen, trained.score(unseen)) > ndcg(unseen, AsLogged().score(unseen)) + 0.2
    assert trained.trees == 60
    assert trained.curve == ()


def test_lambdamart_is_fixed_by_its_seed_whatever_the_number_of_threads() -> None:
    train = learnable_lists(120, seed=0)
    plan = replace(PLAN, bagging_fraction=0.7, feature_fraction=0.5)
    texts = [replace(plan, num_threads=threads, seed=seed).fit(train) for threads, seed in ((1, 0), (2, 0))]
    assert texts[0].score(train).tolist() == texts[1].score(train).tolist()
    assert texts[0].score(train).tolist() != replace(plan, seed=1).fit(train).score(train).tolist()


def test_validation_lists_choose_the_number_of_trees() -> None:
    train, held_out = learnable_lists(80, seed=0, noise=2.0), learnable_lists(60, seed=1, noise=2.0)
    trained = PLAN.fit(train, held_out)
    curve = [point["ndcg_at_10"] for point in trained.curve]
    assert [point["step"] for point in trained.curve] == list(range(1, len(curve) + 1))
    assert trained.trees == 1 + int(np.argmax(curve))
    assert len(curve) == min(60, trained.trees + PLAN.patience)
    assert trained.model_text.count("Tree=") == trained.trees


def test_the_held_out_curve_is_the_ndcg_of_this_package() -> None:
    train, held_out = learnable_lists(80, seed=0), learnable_lists(60, seed=1)
    # A list without any relevant item counts as 1 in LightGBM and is left out here.
    assert held_out.grades is not None
    grades = np.where(held_out.list_index < 20, 0, held_out.grades).astype(np.float32)
    held_out = replace(held_out, grades=grades)
    trained = replace(PLAN, patience=0, trees=5).fit(train, held_out)
    shorter = replace(PLAN, trees=trained.trees).fit(train)
    assert max(point["ndcg_at_10"] for point in trained.curve) == pytest.approx(
        ndcg(held_out, shorter.score(held_out)), abs=1e-9
    )


def test_training_reads_clicks_or_grades_as_told() -> None:
    lists = learnable_lists(100, seed=0)
    opposed = replace(lists, clicks=(lists.features[:, 2] > 0).astype(np.float32))
    by_click = replace(PLAN, label="clicked").fit(opposed).score(opposed)
    by_grade = PLAN.fit(opposed).score(opposed)
    assert np.corrcoef(by_click, lists.features[:, 2])[0, 1] > 0.7
    assert abs(np.corrcoef(by_grade, lists.features[:, 2])[0, 1]) < 0.3


def test_weights_of_zero_silence_their_items() -> None:
    lists = learnable_lists(100, seed=0)
    assert lists.grades is not None
    misled = lists.list_index < 50
    grades = np.where(misled, 2 - lists.grades, lists.grades).astype(np.float32)
    weighted = replace(lists, grades=grades, weights=np.where(misled, 0, 1).astype(np.float32))
    unseen = learnable_lists(60, seed=1)
    with_weights, without = (
        ndcg(unseen, PLAN.fit(given).score(unseen)) for given in (weighted, replace(weighted, weights=None))
    )
    assert with_weights > without + 0.05


def test_a_trained_model_scores_no_items_and_constant_features() -> None:
    lists = learnable_lists(60, seed=0)
    assert len(PLAN.fit(lists).score(lists_of([], features=4))) == 0
    constant = PLAN.fit(lists.with_features(np.ones_like(lists.features)))
    assert len(set(constant.score(lists).tolist())) == 1


def test_feature_names_that_lightgbm_refuses_still_train() -> None:
    lists = replace(learnable_lists(60, seed=0), feature_names=("a:b", "c[d]", "{e}", 'f"'))
    assert np.isfinite(PLAN.fit(lists).score(lists)).all()


def test_folds_partition_the_requests_evenly_and_by_seed() -> None:
    fold = request_folds(11, 3, seed=4)
    assert sorted(np.bincount(fold).tolist()) == [3, 4, 4]
    assert fold.tolist() == request_folds(11, 3, seed=4).tolist()
    assert fold.tolist() != request_folds(11, 3, seed=5).tolist()


def test_cross_fitted_scores_have_not_seen_the_labels_of_their_list() -> None:
    lists = learnable_lists(90, seed=0)
    noise = np.random.default_rng(0).integers(0, 3, len(lists.item_ids)).astype(np.float32)
    unlearnable = replace(lists, grades=noise)
    plan = replace(PLAN, patience=0)
    seen = ndcg(unlearnable, plan.fit(unlearnable).score(unlearnable))
    crossed = ndcg(unlearnable, cross_fit(plan, unlearnable, 3, seed=0).scores)
    by_chance = ndcg(unlearnable, np.random.default_rng(1).random(len(noise)))
    assert seen > by_chance + 0.15
    assert abs(crossed - by_chance) < 0.06


def test_cross_fitting_stops_all_folds_at_the_best_common_tree_and_scores_there() -> None:
    lists = learnable_lists(90, seed=0, noise=2.0)
    crossed = cross_fit(PLAN, lists, 3, seed=0)
    curve = [point["ndcg_at_10"] for point in crossed.curve]
    assert crossed.trees == 1 + int(np.argmax(curve))
    assert len(curve) <= crossed.trees + PLAN.patience
    assert max(curve) == pytest.approx(ndcg(lists, crossed.scores), abs=1e-9)


def test_without_early_stopping_all_trees_are_grown() -> None:
    crossed = cross_fit(replace(PLAN, patience=0, trees=12), learnable_lists(60, seed=0), 2, seed=0)
    assert (crossed.trees, len(crossed.curve)) == (12, 12)


def test_out_of_fold_scores_of_any_ranker_agree_with_cross_fitting() -> None:
    lists = learnable_lists(60, seed=0)
    plan = replace(PLAN, patience=0, trees=8)
    generic = out_of_fold_scores(plan, lists, 3, seed=2)
    assert generic.tolist() == cross_fit(plan, lists, 3, seed=2).scores.tolist()


def test_out_of_fold_scoring_fits_each_fold_on_the_other_lists_only() -> None:
    lists = lists_of([2, 3, 1, 2, 4])

    @dataclass(frozen=True)
    class Remembering:
        """Scores an item 1 when its list was in training."""

        known: frozenset[str] = frozenset()

        def fit(self, train: RankingLists, validation: RankingLists | None = None) -> Remembering:
            return Remembering(frozenset(train.request_ids))

        def score(self, given: RankingLists) -> np.ndarray:
            return np.array([given.request_ids[i] in self.known for i in given.list_index], float)

    ranker: BaseRanker = Remembering()
    assert out_of_fold_scores(ranker, lists, 2, seed=0).tolist() == [0.0] * 12


def test_lists_without_a_relevant_item_are_not_counted() -> None:
    lists = replace(lists_of([2, 2, 1]), grades=np.array([0, 1, 0, 0, 2], np.float32))
    assert with_relevant_items(lists, "grade").request_ids.tolist() == ["r0", "r2"]


def no_labels(lists: RankingLists) -> RankingLists:
    return replace(lists, grades=None)


def grade_of(value: float) -> Callable[[RankingLists], RankingLists]:
    def changed(lists: RankingLists) -> RankingLists:
        assert lists.grades is not None
        return replace(lists, grades=np.where(np.arange(len(lists.grades)) == 1, value, lists.grades))

    return changed


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (no_labels, DataError, "label 'grade': the data hold no such column"),
        (grade_of(0.5), DataError, r"item 'i1' has 0\.5; give whole numbers from 0 to 30"),
        (grade_of(31), DataError, r"item 'i1' has 31\.0"),
        (grade_of(-1), DataError, r"item 'i1' has -1\.0"),
        (
            lambda lists: replace(lists, grades=np.zeros_like(lists.grades)),
            TrainingError,
            "in each of the 4 lists all items have the same label",
        ),
        (lambda lists: lists.select([]), TrainingError, "in each of the 0 lists"),
        (lambda lists: lists.top(1), TrainingError, "in each of the 4 lists"),
    ],
)
def test_lists_that_teach_nothing_are_refused_by_name(
    spoil: Callable[[RankingLists], RankingLists], error: type[SeriatimError], message: str
) -> None:
    lists = lists_of([4, 4, 4, 4])
    for train in (PLAN.fit, lambda given: cross_fit(PLAN, given, 2, seed=0)):
        with pytest.raises(error, match=message):
            train(spoil(lists))


def test_a_list_longer_than_lightgbm_takes_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="request 'r1' has 10001 candidates"):
        PLAN.fit(lists_of([3, 10_001]))


@pytest.mark.parametrize(("requests", "folds"), [(3, 4), (3, 1)])
def test_impossible_folds_are_refused(requests: int, folds: int) -> None:
    with pytest.raises(TrainingError, match=f"folds: {folds} for {requests} requests"):
        request_folds(requests, folds, seed=0)


def test_small_data_are_trained_on_one_thread_and_one_core_is_left_to_others() -> None:
    assert default_threads(ITEMS_A_THREAD - 1) == 1
    assert default_threads(10**9) == max(1, len(os.sched_getaffinity(0)) - 1)
