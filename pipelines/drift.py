"""How the data of a run differ from those of the last run, from the statistics that both left in ML Metadata."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import tensorflow_data_validation as tfdv
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from pipelines.report.drift_metrics import DriftMetrics, FeatureDrift

STATISTICS = Path("Split-train") / "FeatureStats.pb"
REQUEST_COLUMNS = ("request_id", "item_id", "item_ids", "timestamp")


def drift_of_run(
    connection: metadata_store_pb2.ConnectionConfig, pipeline: str, statistics: Path, threshold: float
) -> DriftMetrics | None:
    """Compare a run's training requests with those of the last run on other data; None where there was none.

    Args:
        connection: of ML Metadata's store.
        pipeline: its name there.
        statistics: folder of the run's own statistics.
        threshold: divergence that is told of as drift, in (0, 1].
    """
    now = (statistics / STATISTICS).read_bytes()
    for artifact in _statistics(MetadataStore(connection), pipeline):
        path = Path(artifact.uri) / STATISTICS
        # A run that is repeated, or follows a change of the code alone, is no news of the data.
        if path.exists() and (before := path.read_bytes()) != now:
            made = datetime.fromtimestamp(artifact.create_time_since_epoch / 1000, timezone.utc)
            return drift_between(_read(before), _read(now), threshold, made.isoformat(timespec="seconds"))
    return None


def drift_between(
    before: statistics_pb2.DatasetFeatureStatisticsList,
    now: statistics_pb2.DatasetFeatureStatisticsList,
    threshold: float,
    since: str,
) -> DriftMetrics:
    """Compare two statistics of TensorFlow Data Validation, column by column.

    The divergence is TensorFlow Data Validation's own, of histograms with the bins of both.

    Args:
        before, now: of one data set each.
        threshold: divergence that is told of as drift, in (0, 1].
        since: when `before` was made, ISO 8601.
    """
    old, new = _columns(before), _columns(now)
    shared = [column for column in new if column in old]
    schema = schema_pb2.Schema()
    for column in shared:
        feature = schema.feature.add(name=column, type=_type(new[column]))
        feature.drift_comparator.jensen_shannon_divergence.threshold = threshold
    found = tfdv.validate_statistics(now, schema, previous_statistics=before)
    divergences = {
        info.path.step[0]: measure.value for info in found.drift_skew_info for measure in info.drift_measurements
    }
    columns = [
        _compared(column, divergences[column], old[column], new[column]) for column in shared if column in divergences
    ]
    return DriftMetrics(
        since=since,
        requests=now.datasets[0].num_examples,
        requests_before=before.datasets[0].num_examples,
        threshold=threshold,
        columns=tuple(sorted(columns, key=lambda column: (-column.divergence, column.column))),
        added=tuple(column for column in new if column not in old),
        removed=tuple(column for column in old if column not in new),
    )


def _statistics(store: MetadataStore, pipeline: str) -> Iterator[metadata_store_pb2.Artifact]:
    """The pipeline's statistics in the store, the newest first."""
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    artifacts = store.get_artifacts_by_context(context.id) if context is not None else []
    found = [artifact for artifact in artifacts if artifact.type == "ExampleStatistics"]
    yield from sorted(found, key=lambda artifact: -artifact.id)


def _read(content: bytes) -> statistics_pb2.DatasetFeatureStatisticsList:
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.ParseFromString(content)
    return statistics


def _columns(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
) -> dict[str, statistics_pb2.FeatureNameStatistics]:
    found = {feature.path.step[0]: feature for feature in statistics.datasets[0].features}
    return {column: feature for column, feature in found.items() if column not in REQUEST_COLUMNS}


def _type(feature: statistics_pb2.FeatureNameStatistics) -> schema_pb2.FeatureType:
    return {
        statistics_pb2.FeatureNameStatistics.INT: schema_pb2.INT,
        statistics_pb2.FeatureNameStatistics.FLOAT: schema_pb2.FLOAT,
    }.get(feature.type, schema_pb2.BYTES)


def _compared(
    column: str,
    divergence: float,
    before: statistics_pb2.FeatureNameStatistics,
    now: statistics_pb2.FeatureNameStatistics,
) -> FeatureDrift:
    mean_before, deviation_before, zeros_before = _described(before)
    mean, deviation, zeros = _described(now)
    return FeatureDrift(
        column=column,
        divergence=max(0.0, divergence),
        mean=mean,
        mean_before=mean_before,
        deviation=deviation,
        deviation_before=deviation_before,
        zeros=zeros,
        zeros_before=zeros_before,
    )


def _described(feature: statistics_pb2.FeatureNameStatistics) -> tuple[float | None, float | None, float | None]:
    """Mean, standard deviation and share of zeros of a column of numbers."""
    if not feature.HasField("num_stats") or not feature.num_stats.common_stats.tot_num_values:
        return None, None, None
    numbers = feature.num_stats
    return numbers.mean, numbers.std_dev, numbers.num_zeros / numbers.common_stats.tot_num_values
