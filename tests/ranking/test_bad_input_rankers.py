"""Bad and odd input to every ranker of the common interface: a named error or finite scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranking.base_rankers import AsLogged, LambdaMART, Linear, TFRanking
from ranking.lists import RankingLists
from ranking.rivals import DLCM, DPP, MMR, OneShotTransformer
from seriatim_errors import DataError, TrainingError
from tests.ranking.generated_lists import lists_of
from tests.ranking.odd_lists import (
    ALL_CLICKED,
    CONSTANT,
    LISTS,
    NO_FEATURES,
    NO_WEIGHT,
    NOTHING,
    ODD,
    SILENT,
    SINGLES,
    with_empty_lists,
)  # fmt: skip

LEARNERS: dict[str, Any] = {
    "LambdaMART": LambdaMART(trees=3, min_data_in_leaf=5),
    "Linear": Linear(),
    "TFRanking": TFRanking(epochs=1),
    "OneShotTransformer": OneShotTransformer(epochs=1),
    "DLCM": DLCM(epochs=1),
}
RANKERS: dict[str, Any] = {**LEARNERS, "MMR": MMR(), "DPP": DPP(), "AsLogged": AsLogged()}
NOTHING_TO_LEARN = {
    "no click": SILENT,
    "only clicks": ALL_CLICKED,
    "single items": SINGLES,
    "no lists": NOTHING,
    "no weight": NO_WEIGHT,
}
FEWER_COLUMNS = lists_of([3, 4], features=3)


@pytest.fixture(scope="module")
def fitted() -> Iterator[Callable[[str], Any]]:
    """Each ranker by name, trained once."""
    trained: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in trained:
            trained[name] = RANKERS[name].fit(with_empty_lists(LISTS), LISTS)
        return trained[name]

    yield get
    trained.clear()


@pytest.mark.parametrize("lists", NOTHING_TO_LEARN.values(), ids=NOTHING_TO_LEARN.keys())
@pytest.mark.parametrize("name", LEARNERS)
def test_lists_without_an_order_to_learn_are_refused(name: str, lists: RankingLists) -> None:
    with pytest.raises(TrainingError, match=r"no order to learn|every item weighs 0"):
        LEARNERS[name].fit(lists, LISTS)


@pytest.mark.parametrize("name", [name for name in RANKERS if name != "AsLogged"])
def test_validation_lists_that_cannot_judge_are_refused(name: str) -> None:
    for lists in (SILENT, NOTHING):
        with pytest.raises(TrainingError, match=f"no relevant item in the {len(lists)} validation lists"):
            RANKERS[name].fit(LISTS, lists)
    with pytest.raises(DataError, match="feature"):
        RANKERS[name].fit(LISTS, FEWER_COLUMNS)


@pytest.mark.parametrize("name", [name for name in RANKERS if name != "AsLogged"])
def test_features_that_are_missing_are_named(name: str, fitted: Callable[[str], Any]) -> None:
    with pytest.raises(DataError, match="feature"):
        RANKERS[name].fit(NO_FEATURES, NO_FEATURES)
    with pytest.raises(DataError, match="feature"):
        fitted(name).score(FEWER_COLUMNS)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_missing_label_is_named(name: str) -> None:
    with pytest.raises(DataError, match="label 'clicked': the data hold no such column"):
        LEARNERS[name].fit(replace(LISTS, clicks=None), LISTS)


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_gives_odd_lists_a_finite_score_an_item(name: str, fitted: Callable[[str], Any]) -> None:
    enormous = LISTS.with_features(LISTS.features * np.float32(1e37))
    for lists in (*ODD.values(), enormous):
        scores = fitted(name).score(lists)
        assert scores.shape == (len(lists.item_ids),)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", RANKERS)
def test_equal_ids_are_two_items(name: str, fitted: Callable[[str], Any]) -> None:
    assert fitted(name).score(ODD["duplicates"]).tolist() == fitted(name).score(LISTS).tolist()


@pytest.mark.parametrize("name", ["Linear", "TFRanking", "LambdaMART"])
def test_constant_features_teach_no_order(name: str) -> None:
    scores = RANKERS[name].fit(CONSTANT, CONSTANT).score(CONSTANT)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 1


@pytest.mark.parametrize("name", ["OneShotTransformer", "DLCM", "MMR", "DPP"])
def test_rivals_trained_on_constant_features_give_finite_scores(name: str) -> None:
    assert np.isfinite(RANKERS[name].fit(CONSTANT, CONSTANT).score(CONSTANT)).all()
