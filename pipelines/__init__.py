"""Pipelines: the click-log contract, ingestion, TFX components, the runner and the report."""
