"""Metrics agree with TensorFlow Model Analysis where the definitions coincide."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ranking.metrics import brier_score, calibration_ratio, evaluate_lists, log_loss
from tests.ranking.generated_lists import lists_of

CUTOFFS = (2, 3, 8)


@pytest.mark.slow
def test_ndcg_and_metrics_of_probabilities_are_those_of_tfma() -> None:
    import pandas as pd
    import tensorflow_model_analysis as tfma

    lists = lists_of(np.random.default_rng(0).integers(1, 9, 40).tolist(), seed=3)
    assert lists.grades is not None
    # Some lists without a relevant item: both leave them out.
    grades = np.where(lists.list_index % 5 == 0, 0, lists.grades).astype(np.float64)
    clicked = (grades > 0).astype(np.float64)
    probabilities = np.random.default_rng(1).random(len(grades))
    items = pd.DataFrame(
        {
            "query": lists.request_ids[lists.list_index],
            "prediction": probabilities,
            "label": clicked,
            # TFMA takes gains as they are; ours are exponential.
            "gain": 2**grades - 1,
        }
    )
    ranking = tfma.MetricsSpec(
        query_key="query",
        binarize=tfma.BinarizationOptions(top_k_list={"values": CUTOFFS}),
        metrics=[tfma.MetricConfig(class_name="NDCG", config=json.dumps({"gain_key": "gain"}))],
    )
    names = ("Calibration", "BinaryCrossEntropy", "MeanSquaredError")
    binary = tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name=name) for name in names])
    settings = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(prediction_key="prediction", label_key="label")],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[ranking, binary],
    )
    found = tfma.analyze_raw_data(items, settings).slicing_metrics[0][1][""]
    theirs = {key: {name: value["doubleValue"] for name, value in found[key].items()} for key in found}

    ours = evaluate_lists(lists, probabilities, grades, CUTOFFS)
    for k in CUTOFFS:
        assert np.nanmean(ours[f"ndcg_at_{k}"]) == pytest.approx(theirs[f"topK:{k}"]["ndcg"], abs=1e-6)
    assert calibration_ratio(probabilities, clicked) == pytest.approx(theirs[""]["calibration"], abs=1e-6)
    assert brier_score(probabilities, clicked) == pytest.approx(theirs[""]["mean_squared_error"], abs=1e-6)
    # Keras keeps probabilities 1e-7 from 0 and 1 and computes in single precision.
    assert log_loss(probabilities, clicked) == pytest.approx(theirs[""]["binary_crossentropy"], abs=1e-6)
