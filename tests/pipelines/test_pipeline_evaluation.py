"""What the evaluation of a real run says: its parts add up, and others find the same."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.report.metrics_file import read_metrics
from pipelines.report.page import write_report
from tests.pipelines.small_pipeline import artifact, run_small

pytestmark = pytest.mark.slow


def test_scores_are_held_against_outcomes_stage_by_stage(root, first):
    calibration = {stage.stage: stage for stage in first[0].metrics.calibration}
    assert list(calibration) == ["base_ranker", "gate", "seq2slate"]
    rows = first[0].metrics.data.rows["eval"]
    for name in ("base_ranker", "gate"):
        assert sum(one.items for one in calibration[name].bins) == rows
        assert calibration[name].errors is None
    # Every list's probabilities add up to 1, and so do its shares of clicks.
    bins = calibration["seq2slate"].bins
    predicted, observed = (sum(value(one) * one.items for one in bins) for value in (
        lambda one: one.score, lambda one: one.outcome.value,
    ))  # fmt: skip
    assert predicted == pytest.approx(observed, rel=1e-5)
    assert calibration["seq2slate"].errors.log_loss.low > 0


def test_groups_of_items_share_all_exposure(root, first):
    metrics = first[0].metrics
    exposure = metrics.exposure
    assert (exposure.against, exposure.slate_size) == (metrics.blessing.against, 4)
    for column in ("item_price", "item_category_0"):
        rows = [row for row in exposure.rows if row.column == column]
        for share in ("served", "reference", "clicks"):
            assert sum(getattr(row, share).value for row in rows) == pytest.approx(1)
        assert sum(row.candidates for row in rows) == metrics.data.rows["eval"]
        for row in rows:
            assert row.difference.value == pytest.approx(row.served.value - row.reference.value)


def test_diversity_is_a_metric_like_the_others(root, first):
    served = next(policy for policy in first[0].metrics.policies if policy.policy == "served")
    assert served.metrics["diversity_at_5"].value > 0
    assert served.metrics["diversity_at_5"].count == first[0].metrics.data.requests["eval"]


def test_new_data_are_held_against_those_of_the_last_run(root, first):
    assert first[0].metrics.drift is None
    log = root / "market" / "clicks.parquet"
    before = log.read_bytes()
    table = pq.read_table(log)
    dearer = pc.add(table["item_price"], 3.0).cast(table["item_price"].type)
    pq.write_table(table.set_column(table.column_names.index("item_price"), "item_price", dearer), log)
    try:
        finished, _ = run_small(root, bundle_root=str(root / "dearer"))
    finally:
        log.write_bytes(before)
    drift = finished.metrics.drift
    assert [column.column for column in drift.drifted] == ["item_price"]
    assert drift.drifted[0].mean - drift.drifted[0].mean_before == pytest.approx(3.0, abs=0.01)
    assert drift.requests == drift.requests_before == first[0].metrics.data.requests["train"]
    again, cached = run_small(root, bundle_root=str(root / "dearer"))
    assert cached["StatisticsGen"]
    assert again.metrics.drift.drifted[0].mean < drift.drifted[0].mean


def test_tensorflow_model_analysis_finds_the_same_in_files_of_its_own(root, first):
    import tensorflow_model_analysis as tfma

    finished, _ = run_small(root, evaluation__model_analysis=True, bundle_root=str(root / "third"))
    folder = str(artifact(root, "ModelAnalysis", "analysis"))
    metrics = finished.metrics
    served = next(policy for policy in metrics.policies if policy.policy == "served")
    theirs = dict(tfma.load_eval_result(folder, model_name="served").slicing_metrics)
    for k in (5, 10):
        ours = served.metrics[f"ndcg_at_{k}"].value
        assert theirs[()][""][f"topK:{k}"]["ndcg"]["doubleValue"] == pytest.approx(ours, abs=1e-6)
    difference = theirs[()][""]["topK:10"]["ndcg_diff"]["doubleValue"]
    assert difference == pytest.approx(metrics.blessing.difference.value, abs=1e-6)
    for row in metrics.slices.rows:
        if row.differences["ndcg_at_10"].value is not None:
            of_slice = theirs[(f"slice_{row.column}", row.value),][""]["topK:10"]
            assert of_slice["ndcg"]["doubleValue"] == pytest.approx(row.served["ndcg_at_10"].value, abs=1e-6)


def test_slices_are_parts_of_the_difference_that_decided(root, first):
    metrics = read_metrics(root / "runs" / "small" / "metrics.json")
    slices, blessing = metrics.slices, metrics.blessing
    assert (slices.against, slices.metric, slices.labels) == (blessing.against, blessing.metric, "clicks")
    assert {row.column for row in slices.rows} == {"candidates_in_request", "clicks_in_request", "context_mobile"}
    mobile = [row for row in slices.rows if row.column == "context_mobile"]
    assert {row.value for row in mobile} == {"0", "1"}
    assert sum(row.requests for row in mobile) == metrics.data.requests["eval"]
    parts = [row.differences[blessing.metric] for row in mobile]
    assert sum(part.count for part in parts) == blessing.difference.count
    total = sum(part.count * part.value for part in parts)
    assert total / blessing.difference.count == pytest.approx(blessing.difference.value)


def test_samples_of_the_evaluation_are_explained_to_their_scores_and_places(root, first):
    metrics = read_metrics(root / "runs" / "small" / "metrics.json")
    samples = metrics.explanations.samples
    assert [sample.chosen for sample in samples] == ["example", "furthest", "typical"]
    shown = {item.item_id: item for item in metrics.slate_example.items}
    for item in samples[0].items:
        one = shown[item.item_id]
        assert (item.place, item.base_rank) == (one.rank, one.base_rank)
        assert item.base.score == pytest.approx(one.base_score, rel=1e-4, abs=1e-4)
        if item.occlusion is not None:
            assert np.exp(item.occlusion.log_probability) == pytest.approx(one.probability, rel=1e-4)
            assert item.occlusion.neighbours[0].context != 0
            assert item.occlusion.features
    placed = [item for sample in samples for item in sample.items if item.occlusion is not None]
    assert len(placed) >= 6


def test_slates_are_judged_off_policy_by_the_logged_propensities(root, first, tmp_path):
    metrics = read_metrics(root / "runs" / "small" / "metrics.json")
    values = metrics.slate_values
    requests = metrics.data.requests["eval"]
    assert (values.slates, values.drawn, values.complete, values.positions) == (requests, requests, requests, 1)
    assert {row.policy for row in values.clicks} == {"served", "base", "served_explored"}
    explored = [row for row in values.clicks if row.policy == "served_explored"]
    assert [row.estimator for row in explored] == ["snrips", "snsips"]
    # Of the first position alone all estimators say the same.
    assert explored[0].value == pytest.approx(explored[1].value)
    assert all(row.identifiable and 0.5 < row.mean_weight < 2 for row in explored)
    assert "Value of re-ordered slates on the logged traffic" in write_report(metrics, tmp_path).read_text()
