"""The pushed bundles before a run: which it is compared with and may start from, and which it must not replace."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import PipelineConfig
from pipelines.fingerprints import code_fingerprint, fingerprint, settings_of
from pipelines.pushed_bundles import PushedBundles, is_later, manifests_in
from pipelines.report.span_metrics import SpansOfRun
from seriatim_errors import BundleError
from serving.bundle import Bundle, open_bundle


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
    own, last_day = _own(config, data), "" if spans is None else spans.last
    named = config.data.spans is not None and config.data.spans.last is not None
    for version in reversed(bundles.versions):
        try:
            manifest = bundles.manifest(version)
            trained = manifest.training_data
            if (manifest.config_fingerprint, trained.fingerprint) == own or is_later(trained, last_day):
                continue
            if named and trained.last_day is None:
                continue
            return bundles.fetched(version)
        except BundleError:
            continue
    return None


def own_bundle(config: PipelineConfig, settings: str, data: str) -> Path | None:
    """The newest pushed bundle of a configuration's fingerprint `settings` and a data fingerprint; None of none."""
    for folder, manifest in manifests_in(config.bundle_folder):
        if (manifest.config_fingerprint, manifest.training_data.fingerprint) == (settings, data):
            return open_bundle(folder).folder
    return None


def _own(config: PipelineConfig, data: str) -> tuple[str, str]:
    return fingerprint([settings_of(config), code_fingerprint()]), data
