"""What a run's stages may start from: the bundle that it is compared with, unless that has seen what is held out."""

from __future__ import annotations

from pipelines.config import PipelineConfig
from pipelines.held_out_words import held_out_words
from pipelines.report.span_metrics import SpansOfRun
from pipelines.stages.warm_start import WarmStart
from serving.bundle import Bundle


def warm_start_of(config: PipelineConfig, spans: SpansOfRun | None, earlier: Bundle | None) -> WarmStart:
    """The bundle to start from, or why none.

    Weights that have learned from requests that this run evaluates on would look better than they are. Where requests
    are held out by a hash, the same ones are in every run of the same share and seed; where days are, the earlier
    bundle's last day of training must lie before them.

    Args:
        config: of the run.
        spans: its days; None for a log without days.
        earlier: the newest pushed bundle that other data, configuration or code have made.
    """
    if earlier is None:
        return WarmStart(reason="there is no earlier bundle of other data, configuration or code")
    version, trained, held_out = earlier.manifest.version, earlier.manifest.training_data, held_out_words(config)
    if trained.held_out != held_out:
        return WarmStart(
            reason=f"bundle {version} held out by another rule ({trained.held_out or 'which it does not tell'}, this "
            f"run by {held_out}), so it may have learned from what this run evaluates on"
        )
    if spans is not None and config.data.spans is not None and config.data.spans.evaluation:
        first = next(one.day for one in spans.days if one.held_out)
        if trained.trained_until is None or trained.trained_until >= first:
            until = trained.trained_until or "nobody knows when"
            return WarmStart(
                reason=f"bundle {version} was trained until {until}, and this run evaluates from {first} on"
            )
    return WarmStart(bundle=earlier.folder.resolve())
