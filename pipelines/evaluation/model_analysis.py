"""The candidate's NDCG by TensorFlow Model Analysis, in the files that its own tools read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_model_analysis as tfma

from pipelines.config import EvaluationConfig
from pipelines.evaluation.judged_items import SCORE, SLICE, JudgedItems, judged_items

GAIN, CANDIDATE, BASE = "gain", "served", "base"
ROWS_AT_ONCE = 8192


def analyse(pipeline: beam.Pipeline, judged: Path, settings: EvaluationConfig, folder: Path) -> None:
    """Add the analysis to a Beam pipeline: NDCG at every cutoff, by policy and slice.

    The candidate, its reference and the base order are models whose predictions lie in the file; the reference is the
    baseline that differences are taken from. `tfma.load_eval_result(folder, model_name="served")` reads the result.
    Where the blessing metric is an NDCG at a cutoff, the configured margin is a threshold on its difference, and
    `tfma.load_validation_result(folder)` tells whether it holds; that compares values, not intervals.

    Args:
        pipeline: to add to.
        judged: file of judged items.
        settings: cutoffs and the blessing rule.
        folder: of the result.
    """
    configured = analysis_config(judged_items(judged), settings)
    _ = (
        pipeline
        | "file" >> beam.Create([str(judged)])
        | "record batches" >> beam.FlatMap(record_batches)
        | tfma.BatchedInputsToExtracts()
        | tfma.ExtractAndEvaluate(
            tfma.default_extractors(eval_config=configured), tfma.default_evaluators(eval_config=configured)
        )
        | tfma.WriteResults(tfma.default_writers(str(folder), eval_config=configured))
    )


def analysis_config(items: JudgedItems, settings: EvaluationConfig) -> tfma.EvalConfig:
    """What TensorFlow Model Analysis is asked for."""
    compared = dict.fromkeys((CANDIDATE, items.reference, *({BASE} & set(items.policies))))
    models = [
        tfma.ModelSpec(
            name=name, prediction_key=f"{SCORE}{name}", label_key="label", is_baseline=name == items.reference
        )
        for name in compared
    ]
    slicing = [tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=[f"{SLICE}{name}"]) for name in items.slices)]
    return tfma.EvalConfig(
        model_specs=models,
        slicing_specs=slicing,
        metrics_specs=[_gains_at(k, settings, CANDIDATE in compared) for k in settings.cutoffs],
    )


def record_batches(path: str) -> Iterator[pa.RecordBatch]:
    """The file's rows with a column of gains, every value a list of one as examples are."""
    for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE):
        # TensorFlow Model Analysis takes gains as they are; ours grow with the label as in NDCG's usual definition.
        gains = pa.array(np.exp2(batch["label"].to_numpy()) - 1.0, pa.float32())
        names, columns = [*batch.schema.names, GAIN], [*batch.columns, gains]
        ends = pa.array(np.arange(len(batch) + 1), pa.int32())
        yield pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(ends, column) for column in columns], names)


def _gains_at(cutoff: int, settings: EvaluationConfig, has_candidate: bool) -> tfma.MetricsSpec:
    spec = tfma.MetricsSpec(
        query_key="request_id",
        binarize=tfma.BinarizationOptions(top_k_list={"values": [cutoff]}),
        metrics=[tfma.MetricConfig(class_name="NDCG", config=json.dumps({"gain_key": GAIN}))],
    )
    if has_candidate and settings.blessing_metric == f"ndcg_at_{cutoff}":
        spec.thresholds["ndcg"].CopyFrom(
            tfma.MetricThreshold(
                change_threshold=tfma.GenericChangeThreshold(
                    absolute={"value": -settings.blessing_margin}, direction=tfma.MetricDirection.HIGHER_IS_BETTER
                )
            )
        )
    return spec
