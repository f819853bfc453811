"""Bad input to every public entry of ranking is refused by a named error, before anything becomes NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from ranking.base_rankers import AsLogged, LambdaMART, out_of_fold_scores
from ranking.base_rankers.folds import cross_fit
from ranking.click_models import clicks_on_order
from ranking.lists import RankingLists
from ranking.metrics import (
    average_precision,
    bootstrap_interval,
    bootstrap_ratio_interval,
    discounted_cumulative_gain,
    evaluate_lists,
    expected_reciprocal_rank,
    hit_at,
    normalised_discounted_cumulative_gain,
    paired_difference_interval,
    precision_at,
    rank_gain,
    recall_at,
    reciprocal_rank,
)
from ranking.off_policy import (
    LoggedImpressions,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from ranking.rate_constraints import (
    FitSettings,
    GateSettings,
    QuantileEstimator,
    RateObjective,
    exact_threshold,
    fit_scorer,
    subset_quantile,
    train_gate,
)
from ranking.rate_constraints.classifier import RateConstrainedClassifier
from ranking.seq2slate import (
    Seq2SlateSettings,
    SlateConstraints,
    beam_search,
    decode,
    export_onnx,
    export_saved_model,
    greedy_choice,
    rank_lists,
    train_seq2slate,
)
from ranking.seq2slate.losses import STEP_LOSSES
from ranking.standardisation import Standardisation
from seriatim_errors import ConfigError, DataError, SeriatimError, TrainingError
from tests.ranking.generated_lists import lists_of
from tests.ranking.odd_lists import (
    ALL_CLICKED,
    CLICK_MODELS,
    CLICKS,
    ITEMS,
    LISTS,
    NO_FEATURES,
    NO_WEIGHT,
    NOTHING,
    SILENT,
    SINGLES,
    clicks_of,
)
from tests.ranking.tiny_seq2slate import FEATURES, random_items, tiny_model

NAN, INF = float("nan"), float("inf")

SCORES = np.random.default_rng(0).random(ITEMS)

TREES = LambdaMART(trees=3, min_data_in_leaf=5)
SMALL = Seq2SlateSettings(hidden_size=8, epochs=1, batch_size=16, steps=3, attention_heads=2, encoder_layers=1)
GATE = GateSettings(epochs=2, folds=2)
MODEL = tiny_model()
MODEL_32 = tiny_model(dtype="float32")
BROKEN = tiny_model(dtype="float32")
BROKEN.set_weights([np.full_like(weight, NAN) for weight in BROKEN.get_weights()])
CANDIDATES, MASK = random_items(2, 4), np.array([[True, True, True, False], [False] * 4])
STANDARD = Standardisation(np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32))
TWO_COLUMNS = Standardisation(np.zeros(2, np.float32), np.ones(2, np.float32))
UNCLICKED = replace(LISTS, clicks=None)
NOWHERE = Path("never written")


def with_value(value: float) -> np.ndarray:
    """The candidates with `value` in every feature of one item."""
    changed = CANDIDATES.copy()
    changed[0, 1] = value
    return changed


@dataclass(frozen=True)
class Case:
    """One call and what must come of it: an error of that class with that message."""

    name: str
    call: Callable[[], Any]
    error: type[SeriatimError | ValueError] = DataError
    message: str = ""


def with_column(**columns: list[float]) -> RankingLists:
    return replace(lists_of([2, 1]), **{name: np.array(values, np.float32) for name, values in columns.items()})


LIST_CASES = [
    Case(
        "nan feature", lambda: LISTS.with_features(np.full_like(LISTS.features, NAN)), message="'feature_0' .* is nan"
    ),
    Case("infinite feature", lambda: LISTS.with_features(LISTS.features * np.float32(INF)), message="is -?inf|is nan"),
    Case("overflowing feature", lambda: LISTS.with_features(np.full(LISTS.features.shape, 1e300)), message="is inf"),
    Case("click of 2", lambda: with_column(clicks=[0, 2, 1]), message=r"clicks: item 'i1' has 2\.0; give 0 or 1"),
    Case("nan click", lambda: with_column(clicks=[0, 1, NAN]), message="clicks: item 'i2' has nan"),
    Case("negative grade", lambda: with_column(grades=[0, -1, 0]), message=r"grades: item 'i1' has -1\.0"),
    Case("infinite grade", lambda: with_column(grades=[0, 0, INF]), message="grades: item 'i2' has inf"),
    Case("position 0", lambda: with_column(positions=[1, 0, 1]), message=r"positions: item 'i1' has 0"),
    Case("propensity 0", lambda: with_column(propensities=[1, 0, 1]), message=r"propensities: item 'i1' has 0\.0"),
    Case("nan propensity", lambda: with_column(propensities=[1, 1, NAN]), message="propensities: item 'i2' has nan"),
    Case("negative weight", lambda: with_column(weights=[1, 1, -2]), message=r"weights: item 'i2' has -2\.0"),
    Case("offsets fall", lambda: replace(lists_of([2, 1]), offsets=np.array([0, 4, 3])), message="never decrease"),
    Case("offsets start late", lambda: replace(lists_of([2, 1]), offsets=np.array([1, 2, 3])), message="start at 0"),
    Case("nan score to sort by", lambda: LISTS.reordered(np.full(ITEMS, NAN)), message="scores: item 'i0' has nan"),
    Case("too few scores", lambda: LISTS.reordered(np.zeros(3)), message="give one score an item"),
    Case("nan label to pad", lambda: LISTS.padded(np.full(ITEMS, NAN, np.float32)), message="one finite label"),
    Case("too few labels", lambda: LISTS.padded(np.zeros(3, np.float32)), message="one finite label"),
    Case("negative top", lambda: LISTS.top(-1), ValueError, "list_size: -1"),
    Case("batches of none", lambda: list(LISTS.batches(0)), ValueError, "batch_size: 0"),
]

STANDARDISATION_CASES = [
    Case("no items", lambda: Standardisation.fit(np.zeros((0, 2), np.float32)), message="no items"),
    Case("nan", lambda: Standardisation.fit(np.array([[1, NAN]], np.float32)), message="row 0, column 1 is nan"),
    Case("infinity", lambda: Standardisation.fit(np.array([[INF]], np.float32)), message="row 0, column 0 is inf"),
    Case("scale 0", lambda: Standardisation(np.zeros(1, np.float32), np.zeros(1, np.float32)), message="scale 0"),
    Case("nan mean", lambda: Standardisation(np.full(1, NAN, np.float32), np.ones(1, np.float32)), message="mean nan"),
]

FORMULAS: dict[str, Callable[..., np.ndarray]] = {
    "ndcg": normalised_discounted_cumulative_gain,
    "dcg": discounted_cumulative_gain,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "err": lambda labels, **kw: expected_reciprocal_rank(labels, 2, **kw),
    "precision": lambda labels, **kw: precision_at(labels, 2, **kw),
    "recall": lambda labels, **kw: recall_at(labels, 2, **kw),
    "hit": lambda labels, **kw: hit_at(labels, 2, **kw),
    "rank_gain": lambda labels, **kw: rank_gain(labels, [2, 1], **kw),
}

METRIC_CASES = [
    *(
        Case(f"{name} of {value} label", lambda metric=metric, value=value: metric([value, 1.0]), message="labels: ")
        for name, metric in FORMULAS.items()
        for value in (NAN, INF, -1.0)
    ),
    *(
        Case(
            f"{name} of {value} weight", lambda m=metric, v=value: m([0.0, 1.0], weights=[1.0, v]), message="weights: "
        )
        for name, metric in FORMULAS.items()
        for value in (NAN, INF, -1.0)
    ),
    Case("overflowing gain", lambda: normalised_discounted_cumulative_gain([2000.0, 0.0]), message="no finite gain"),
    Case("nan max_grade", lambda: expected_reciprocal_rank([1.0], NAN), ValueError, "max_grade: nan"),
    Case("nan scores", lambda: evaluate_lists(LISTS, np.full(ITEMS, NAN), CLICKS), message="scores: item 'i0' has nan"),
    Case("infinite scores", lambda: evaluate_lists(LISTS, np.full(ITEMS, INF), CLICKS), message="'i0' has inf"),
    Case("nan labels", lambda: evaluate_lists(LISTS, SCORES, np.full(ITEMS, NAN)), message="labels: item 'i0' has nan"),
    Case(
        "labels above the scale", lambda: evaluate_lists(LISTS, SCORES, CLICKS * 3, max_grade=2), message="max_grade: 2"
    ),
    Case("infinite value", lambda: bootstrap_interval([1.0, INF]), message="numerators: request 1 has inf"),
    Case("infinite pair", lambda: paired_difference_interval([INF], [1.0]), message="numerators: request 0 has inf"),
    Case("nan numerator", lambda: bootstrap_ratio_interval([NAN], [1.0]), message="numerators: request 0 has nan"),
    Case("negative denominator", lambda: bootstrap_ratio_interval([1.0], [-1.0]), message="denominators: request 0"),
]

CLICK_MODEL_CASES = [
    case
    for name, model in CLICK_MODELS.items()
    for case in (
        Case(
            f"{name}, nan relevance", lambda m=model: clicks_of(m, LISTS, NAN), message="relevance: item 'i0' has nan"
        ),
        Case(f"{name}, infinite relevance", lambda m=model: clicks_of(m, LISTS, INF), message="'i0' has inf"),
        Case(
            f"{name}, nan scores to show by",
            lambda m=model: clicks_on_order(m, LISTS, CLICKS, np.full(ITEMS, NAN), np.random.default_rng(0)),
            message="scores: item 'i0' has nan",
        ),
        Case(
            f"{name}, too little relevance to show",
            lambda m=model: clicks_on_order(m, LISTS, [1.0], SCORES, np.random.default_rng(0)),
            message=r"relevance: shape \(1,\)",
        ),
    )
]

BASE_RANKER_CASES = [
    Case("no click", lambda: TREES.fit(SILENT), TrainingError, "no order to learn"),
    Case("only clicks", lambda: TREES.fit(ALL_CLICKED), TrainingError, "no order to learn"),
    Case("single items", lambda: TREES.fit(SINGLES), TrainingError, "no order to learn"),
    Case("no lists", lambda: TREES.fit(NOTHING), TrainingError, "no order to learn"),
    Case("no weight", lambda: TREES.fit(NO_WEIGHT), TrainingError, "every item weighs 0"),
    Case("no features", lambda: TREES.fit(NO_FEATURES), message="none to grow trees on"),
    Case("no labels", lambda: TREES.fit(UNCLICKED), message="no such column"),
    Case("validation without a click", lambda: TREES.fit(LISTS, SILENT), TrainingError, "no relevant item in the 40"),
    Case("no validation lists", lambda: TREES.fit(LISTS, NOTHING), TrainingError, "no relevant item in the 0"),
    Case("other validation features", lambda: TREES.fit(LISTS, lists_of([3, 2])), message="give both the same columns"),
    Case(
        "other features to score", lambda: TREES.fit(LISTS).score(lists_of([3])), message="the lists have 3, the trees"
    ),
    Case("folds without a click", lambda: cross_fit(TREES, SILENT, 2, 0), TrainingError, "no order to learn"),
    Case(
        "fewer lists than folds", lambda: out_of_fold_scores(AsLogged(), NOTHING, 2, 0), TrainingError, "folds: 2 for 0"
    ),
    *(
        Case(f"setting {name}={value}", lambda n=name, v=value: LambdaMART(**{n: v}), ConfigError, f"LambdaMART {name}")
        for name, value in {
            "label": "stars",
            "trees": 0,
            "leaves": 1,
            "learning_rate": NAN,
            "patience": -1,
            "feature_fraction": 0.0,
            "bagging_fraction": NAN,
            "truncation_level": 0,
        }.items()
    ),
]

SLATE_CASES = [
    Case("train without a click", lambda: train_seq2slate(SILENT, LISTS, SMALL), TrainingError, "no click in the 40"),
    Case("validate without one", lambda: train_seq2slate(LISTS, SILENT, SMALL), TrainingError, "40 valid"),
    Case("train on no lists", lambda: train_seq2slate(NOTHING, LISTS, SMALL), TrainingError, "no click in the 0"),
    Case("train on grades", lambda: train_seq2slate(UNCLICKED, LISTS, SMALL), TrainingError, "no click in the 40"),
    Case("train on no features", lambda: train_seq2slate(NO_FEATURES, NO_FEATURES, SMALL), message="no feature"),
    *(
        Case(f"{action} {value} features", lambda d=do, v=value: d(with_value(v)), message=f"item 1, .* is {value}")
        for action, do in {
            "decode": lambda items: decode(MODEL, items, MASK, 2, greedy_choice()),
            "search": lambda items: beam_search(MODEL, items, MASK, 2, 2),
        }.items()
        for value in (NAN, INF)
    ),
    *(
        Case(f"temperature {value}", lambda v=value: decode(MODEL, CANDIDATES, MASK, 2, greedy_choice(), temperature=v),
             ConfigError, "temperature: ")
        for value in (0.0, -1.0, NAN, INF, 1e-9)
    ),
    Case("no steps", lambda: decode(MODEL, CANDIDATES, MASK, 0, greedy_choice()), ConfigError, "steps: 0"),
    Case("no steps to search", lambda: beam_search(MODEL, CANDIDATES, MASK, 0, 2), ConfigError, "steps: 0"),
    Case("no beams", lambda: beam_search(MODEL, CANDIDATES, MASK, 2, 0), ConfigError, "width: 0"),
    Case("other features", lambda: decode(MODEL, CANDIDATES[:, :, :2], MASK, 2, greedy_choice()), message="have 2"),
    Case("other mask", lambda: decode(MODEL, CANDIDATES, MASK[:, :2], 2, greedy_choice()), message="features and mask"),
    Case("number mask", lambda: decode(MODEL, CANDIDATES, MASK * 1.0, 2, greedy_choice()), message="mask: float64"),
    Case("list size 0", lambda: decode(MODEL, CANDIDATES[:, :0], MASK[:, :0], 2, greedy_choice()), message="size of 0"),
    Case(
        "constraints for other lists",
        lambda: decode(MODEL, CANDIDATES, MASK, 2, greedy_choice(), constraints=SlateConstraints(~MASK)),
        message="their mask is not that of the lists",
    ),
    Case(
        "constraints for another size",
        lambda: beam_search(MODEL, CANDIDATES, MASK, 2, 2, SlateConstraints(MASK[:, :3])),
        message=r"constraints: for lists of shape \(2, 3\)",
    ),
    Case("nan pin", lambda: SlateConstraints(MASK, pinned=np.full((2, 4), NAN)), message="pinned: an array of float64"),
    Case(
        "nan category",
        lambda: SlateConstraints(MASK, categories=np.full((2, 4), NAN), max_per_category=1),
        message="categories: an array of float64; give whole numbers",
    ),
    Case(
        "category below none",
        lambda: SlateConstraints(MASK, categories=np.full((2, 4), -2), max_per_category=1),
        message="categories: -2",
    ),
    Case("number mask of rules", lambda: SlateConstraints(MASK * 1), message="mask: an array of int64; give bool"),
    *(
        Case(f"nan {what} of {loss.__name__}", lambda f=loss, a=arguments: f(*a), message=f"{what}: nan")
        for loss in STEP_LOSSES.values()
        for what, arguments in {
            "logits": ([[NAN, 1.0]], [[True, True]], tf.constant([[0.0, 1.0]])),
            "labels": (tf.constant([[0.0, 1.0]]), [[True, True]], tf.constant([[0.0, NAN]])),
        }.items()
    ),
    *(
        Case(f"rank ({decoding}) by a broken model", lambda d=decoding: rank_lists(BROKEN, lists_of([4]), d, 2),
             TrainingError, "is not finite; train again")
        for decoding in ("greedy", "one_step", "beam")
    ),
    Case("export a broken model", lambda: export_onnx(BROKEN, STANDARD, 2, NOWHERE), TrainingError, "not finite"),
    Case("save a broken model", lambda: export_saved_model(BROKEN, STANDARD, 2, NOWHERE), TrainingError, "not fin"),
    *(
        Case(
            f"{export.__name__} with another standardisation",
            lambda e=export: e(MODEL_32, TWO_COLUMNS, 2, NOWHERE),
            message="2 columns for a model of 3",
        )
        for export in (export_onnx, export_saved_model)
    ),
    Case("export no steps", lambda: export_onnx(MODEL_32, STANDARD, 0, NOWHERE), ConfigError, "steps: 0"),
]  # fmt: skip


RATE = RateObjective.precision_at_recall(0.9)

RATE_CASES = [
    Case("gate without a positive", lambda: train_gate(LISTS, CLICKS * 0, GATE), TrainingError, "0 requests"),
    Case("gate without a negative", lambda: train_gate(LISTS, CLICKS * 0 + 1, GATE), TrainingError, "nothing to drop"),
    Case("gate on no lists", lambda: train_gate(NOTHING, CLICKS[:0], GATE), TrainingError, "0 requests"),
    Case("gate without weight", lambda: train_gate(NO_WEIGHT, CLICKS, GATE), TrainingError, "0 requests"),
    Case("nan rate", lambda: replace(GATE, target_recall=NAN), TrainingError, "target_recall is nan"),
    Case(
        "scorer on nan features",
        lambda: fit_scorer(np.full_like(LISTS.features, NAN), CLICKS, RATE, FitSettings(epochs=1)),
        TrainingError,
        "feature is not finite",
    ),
    Case(
        "classifier on nan features",
        lambda: RateConstrainedClassifier(epochs=1).fit(np.full_like(LISTS.features, NAN), CLICKS),
        ValueError,
        "contains NaN",
    ),
    Case(
        "classifier of one class",
        lambda: RateConstrainedClassifier(epochs=1).fit(LISTS.features, CLICKS * 0),
        ValueError,
        "one class",
    ),
    Case("threshold of nan scores", lambda: exact_threshold(np.array([NAN]), 0.5), TrainingError, "not finite"),
    Case("threshold of no scores", lambda: exact_threshold(np.array([]), 0.5), TrainingError, "is empty"),
    Case(
        "quantile of nothing",
        lambda: subset_quantile(tf.constant([1.0]), tf.constant([0.0]), tf.constant(0.5), QuantileEstimator()),
        TrainingError,
        "no element",
    ),
]


def impressions(rewards: list[float], propensities: list[float]) -> LoggedImpressions:
    return LoggedImpressions(np.array(rewards), np.array(propensities), np.arange(len(rewards)))


OFF_POLICY_CASES = [
    Case("nan reward", lambda: impressions([NAN], [0.5]), message="rewards: impression 0 has nan"),
    Case("propensity 0", lambda: impressions([1.0], [0.0]), message="propensities: impression 0 has 0.0"),
    Case("nan propensity", lambda: impressions([1.0], [NAN]), message="propensities: impression 0 has nan"),
    Case("no clicks", lambda: LoggedImpressions.from_lists(UNCLICKED), message="the lists hold none"),
    *(
        case
        for estimator in (inverse_propensity_score, self_normalised_inverse_propensity_score)
        for case in (
            Case(
                f"{estimator.__name__} of nan probabilities",
                lambda e=estimator: e(impressions([1.0], [0.5]), np.array([NAN])),
                message="target_probabilities: impression 0 has nan",
            ),
            Case(
                f"{estimator.__name__} of too few",
                lambda e=estimator: e(impressions([1.0], [0.5]), np.array([])),
                message="target_probabilities: shape",
            ),
        )
    ),
]

REFUSED = [
    *LIST_CASES,
    *STANDARDISATION_CASES,
    *METRIC_CASES,
    *CLICK_MODEL_CASES,
    *BASE_RANKER_CASES,
    *SLATE_CASES,
    *RATE_CASES,
    *OFF_POLICY_CASES,
]


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
def test_bad_input_is_refused_by_name(case: Case) -> None:
    with pytest.raises(case.error, match=case.message):
        case.call()
