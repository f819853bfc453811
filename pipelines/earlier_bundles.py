"""The pushed bundles before a run: which it is compared with and may start from, and which it must not replace."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import PipelineConfig
from pipelines.fingerprints import code_fingerprint, fingerprint, settings_of
from pipelines.pushed_bundles import PushedBundles, is_later
from pipelines.report.span_metrics import SpansOfRun
from seriatim_errors import BundleError
from serving.bundle import Bundle, Manifest


def baseline_bundle(
    config: PipelineConfig, bundles: PushedBundles, data: str, spans: SpansOfRun | None
) -> Bundle | None:
    """The newest pushed bundle that another configuration, code or data have made; None for the first.

    A run's own earlier bundle is no baseline: then repeating a run would compare it with itself, and never
    find its cached evaluation again. A bundle of later days is none either: it may have learned from what this run
    evaluates on. One that does not say of which days it is counts, unless this run's last day was named: then nobody
    knows which of the two is the older.

    Args:
        config: of this run.
        bundles: what the pipeline has pushed.
        data: fingerprint of this run's data.
        spans: this run's days; None for a log without days.
    """
    own = fingerprint([settings_of(config), code_fingerprint()]), data
    last_day = "" if spans is None else spans.last
    named = config.data.spans is not None and config.data.spans.last is not None
    unsound: set[str] = set()

    def comparable(manifest: Manifest) -> bool:
        trained = manifest.training_data
        if (manifest.config_fingerprint, trained.fingerprint) == own or is_later(trained, last_day):
            return False
        return not (named and trained.last_day is None) and manifest.version not in unsound

    while (manifest := bundles.newest(comparable)) is not None:
        try:
            return bundles.fetched(manifest.version)
        except BundleError:
            unsound.add(manifest.version)
    return None


def own_bundle(bundles: PushedBundles, settings: str, data: str) -> Path | None:
    """The newest pushed bundle of a configuration's fingerprint `settings` and a data fingerprint; None of none."""
    own = (settings, data)
    found = bundles.newest(lambda one: (one.config_fingerprint, one.training_data.fingerprint) == own)
    return None if found is None else bundles.fetched(found.version).folder
