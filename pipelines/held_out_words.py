"""What the evaluation's requests are held out by, as a bundle's manifest keeps it for the runs after it."""

from __future__ import annotations

from pipelines.config import PipelineConfig


def held_out_words(config: PipelineConfig) -> str:
    """Equal for two configurations exactly when they hold out by the same rule."""
    data = config.data
    if data.evaluation:
        return f"files {', '.join(data.evaluation)}"
    if data.spans is not None and data.spans.evaluation:
        return "days"
    return f"share {data.evaluation_share:g} of requests by hash, seed {config.seed}"
