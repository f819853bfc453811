"""The configuration's labels must be in the log: said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

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


def require_propensities(config: PipelineConfig, columns: Sequence[str]) -> None:
    """Refuse to weigh by propensities that the log does not have.

    Args:
        config: the pipeline.
        columns: of the prepared log.

    Raises:
        DataError: there is no column `propensity`.
    """
    ranker = config.base_ranker
    if ranker is not None and ranker.weighting == "inverse_propensity" and "propensity" not in columns:
        raise DataError(
            "base_ranker.weighting is 'inverse_propensity' but the click log has no column 'propensity'; "
            "log it, or set base_ranker.weighting to 'log'"
        )


def _other(label: str) -> str:
    return "grade" if label == "clicked" else "clicked"
