"""What TFX's ExampleValidator found: columns of a split that do not look like the training data's schema."""

from __future__ import annotations

from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2

SCHEMA_DIFFERENCES = "SchemaDiff.pb"


def read_anomalies(folder: Path) -> list[str]:
    """One sentence an anomaly, from the folder of an ExampleAnomalies artifact."""
    sentences = []
    for file in sorted(folder.glob(f"Split-*/{SCHEMA_DIFFERENCES}")):
        anomalies = anomalies_pb2.Anomalies.FromString(file.read_bytes())
        split = file.parent.name.removeprefix("Split-")
        for column, found in sorted(anomalies.anomaly_info.items()):
            sentences.append(f"{split}: {column}: {found.short_description or found.description}")
    return sentences
