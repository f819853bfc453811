"""The configuration's labels must be in the log: said before anything is trained."""

from __future__ import annotations

from pipelines.config import PipelineConfig
from seriatim_errors import DataError


def require_labels(config: PipelineConfig, labels: tuple[str, ...]) -> None:
    """Refuse a configuration that learns from a column which the log does not have.

    Args:
        config: the pipeline.
        labels: which of `clicked` and `grade` the log has.

    Raises:
        DataError: a column is missing; the message names the key that asks for it.
    """
    wanted = []
    if config.clicks.source == "simulate":
        wanted.append(("clicks.source", "simulate", "grade", "log"))
    if config.base_ranker is not None:
        label = config.base_ranker.label
        wanted.append(("base_ranker.label", label, label, _other(label)))
    if config.gate is not None and not (config.gate.label == "clicked" and config.clicks.source == "simulate"):
        label = config.gate.label
        wanted.append(("gate.label", label, label, _other(label)))
    for key, value, column, otherwise in wanted:
        if column not in labels:
            raise DataError(
                f"{key} is {value!r} but the click log has no column {column!r}; add it or set {key} to {otherwise!r}"
            )
    if config.seq2slate is not None and config.clicks.source == "log" and "clicked" not in labels:
        raise DataError(
            "seq2slate learns from clicks but the click log has no column 'clicked'; "
            "set clicks.source to 'simulate', or seq2slate to null"
        )


def _other(label: str) -> str:
    return "grade" if label == "clicked" else "clicked"
