"""The ranking benchmark's rows: what is trained on clicks and how its slates are decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ranking_data import RankingTask
from ranking.base_rankers import BaseRanker, LambdaMART, Linear, TFRanking
from ranking.lists import RankingLists
from ranking.rivals import DLCM, DPP, MMR, OneShotTransformer

if TYPE_CHECKING:
    from ranking.seq2slate import Seq2Slate

# Scores of the test items by row name.
Rankings = Mapping[str, NDArray[np.floating]]
Fit = Callable[[RankingTask, int], Rankings]
BASE_ROW = "base order: LambdaMART on grades"
TRAINED_ON_FEWER = 5000
STEPS, NEARNESS_LEVELS, BEAM_WIDTH, SAMPLING_TEMPERATURE = 10, 4, 4, 0.5


def fits() -> dict[str, Fit]:
    """Every fit of the benchmark by name; one fit may give several rows."""
    near: dict[str, Any] = {"nearness_levels": NEARNESS_LEVELS}
    based = {"from_base_order": True}
    return {
        "base": lambda task, seed: {BASE_ROW: task.base_scores[1]},
        "lambdamart": _ranker("LambdaMART on clicks", _lambdamart),
        "linear": _ranker("linear on clicks", lambda task, seed: Linear()),
        "tfr_softmax": _ranker("TF-Ranking softmax on clicks", _tf_ranking("softmax")),
        "tfr_approx": _ranker("TF-Ranking approximate NDCG on clicks", _tf_ranking("approx_ndcg")),
        "tfr_gumbel": _ranker("TF-Ranking Gumbel NDCG on clicks", _tf_ranking("gumbel_approx_ndcg")),
        "mmr": _ranker("MMR, linear similarity", lambda task, seed: MMR()),
        "mmr_near": _ranker("MMR, told the user's own rule", lambda task, seed: MMR(similarity="near")),
        "dpp": _ranker("DPP", lambda task, seed: DPP()),
        "dlcm": _ranker("DLCM", lambda task, seed: DLCM(seed=seed, **_reranker(task))),
        "transformer": _ranker(
            "one-shot transformer (PRM kind)", lambda task, seed: OneShotTransformer(seed=seed, **_reranker(task))
        ),
        "greedy": _seq2slate("seq2slate", {}, every_decoding=True),
        "hinge": _seq2slate("seq2slate, smooth hinge", {"loss": "smooth_hinge"}),
        "sampling": _seq2slate("seq2slate, sampled paths", {"training": "sampling"}),
        "one_step": _seq2slate("seq2slate, one-step training", {"training": "one_step"}),
        "reinforce": _seq2slate("seq2slate, REINFORCE", {"training": "reinforce"}),
        "shuffled": _shuffled,
        "deep": _seq2slate("seq2slate, transformer encoder", {"encoder": "transformer"}),
        "near": _seq2slate("seq2slate + nearness", near, every_decoding=True),
        "near_hinge": _seq2slate("seq2slate + nearness, smooth hinge", {**near, "loss": "smooth_hinge"}),
        "near_sampling": _seq2slate("seq2slate + nearness, sampled paths", {**near, "training": "sampling"}),
        "near_reinforce": _seq2slate("seq2slate + nearness, REINFORCE", {**near, "training": "reinforce"}),
        "based": _seq2slate("seq2slate, from the base order", based),
        "near_based": _seq2slate("seq2slate + nearness, from the base order", {**near, **based}),
        "near_deep": _seq2slate("seq2slate + nearness, transformer encoder", {**near, "encoder": "transformer"}),
    }


def _ranker(name: str, plan: Callable[[RankingTask, int], BaseRanker]) -> Fit:
    return lambda task, seed: {name: plan(task, seed).fit(task.train, task.validation).score(task.test)}


def _lambdamart(task: RankingTask, seed: int) -> BaseRanker:
    rate = 0.05 if _is_small(task) else 0.1
    return LambdaMART(trees=400, learning_rate=rate, patience=30, seed=seed, num_threads=1)


def _tf_ranking(loss: Any) -> Callable[[RankingTask, int], BaseRanker]:
    return lambda task, seed: TFRanking(loss=loss, seed=seed, **_network(task))


def _network(task: RankingTask) -> dict[str, Any]:
    """The rivals' settings that ranked validation and test lists best: more epochs than seq2slate has."""
    if _is_small(task):
        return {"dropout": 0.3}
    return {"epochs": 25, "patience": 4}


def _reranker(task: RankingTask) -> dict[str, Any]:
    return {**_network(task), "hidden_size": 32 if _is_small(task) else 64}


def _seq2slate(name: str, changes: dict[str, Any], every_decoding: bool = False) -> Fit:
    """Train with the tuned settings and `changes`; greedy slates, or one-step ones after one-step training."""

    def fit(task: RankingTask, seed: int) -> Rankings:
        from ranking.seq2slate import rank_lists

        model = _trained(task, task.train, task.validation, changes, seed)
        if changes.get("training") == "one_step":
            return {name: rank_lists(model, task.test, "one_step", STEPS)}
        rankings = {name: rank_lists(model, task.test, "greedy", STEPS)}
        if every_decoding:
            rankings |= {
                f"{name}; one-step decoding": rank_lists(model, task.test, "one_step", STEPS),
                f"{name}; beam of {BEAM_WIDTH}": rank_lists(model, task.test, "beam", STEPS, beam_width=BEAM_WIDTH),
                f"{name}; sampled slates": rank_lists(
                    model, task.test, "sampling", STEPS, temperature=SAMPLING_TEMPERATURE, seed=seed
                ),
            }
        return rankings

    return fit


def _shuffled(task: RankingTask, seed: int) -> Rankings:
    """Seq2slate that is shown every list in random order, in training and after."""
    from ranking.seq2slate import rank_lists

    random = np.random.default_rng([seed, 2])
    parts = (task.train, task.validation, task.test)
    keys = [random.random(len(lists.item_ids)) for lists in parts]
    train, validation, test = (lists.reordered(key) for lists, key in zip(parts, keys, strict=True))
    model = _trained(task, train, validation, {}, seed)
    scores = np.empty(len(test.item_ids))
    scores[task.test.descending_order(keys[2])] = rank_lists(model, test, "greedy", STEPS)
    return {"seq2slate, shuffled input": scores}


def _trained(
    task: RankingTask, train: RankingLists, validation: RankingLists, changes: dict[str, Any], seed: int
) -> Seq2Slate:
    from ranking.seq2slate import Seq2SlateSettings, train_seq2slate

    tuned: dict[str, Any] = {"steps": STEPS, "learning_rate": 3e-3, "seed": seed}
    if _is_small(task):
        tuned |= {"hidden_size": 32, "batch_size": 32, "epochs": 30, "patience": 10, "dropout": 0.5, "l2": 1e-3}
        tuned["learning_rate"] = 2e-3
    else:
        tuned |= {"hidden_size": 64, "batch_size": 64, "epochs": 16, "patience": 4, "dropout": 0.2, "l2": 1e-6}
    if changes.get("encoder") == "transformer":
        tuned["learning_rate"] = 1e-3
    return train_seq2slate(train, validation, Seq2SlateSettings(**tuned | changes)).model


def _is_small(task: RankingTask) -> bool:
    return len(task.train) < TRAINED_ON_FEWER
