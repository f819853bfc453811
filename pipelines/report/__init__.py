"""Offline metrics: the metrics file, the page that people decide from, and tables for notebooks."""

from pipelines.report.metrics_frames import load_metrics

__all__ = ["load_metrics"]
