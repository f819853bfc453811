"""The pushed bundles before a run: which it is compared with and may start from, and which it must not replace."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import PipelineConfig
from pipelines.fingerprints import code_fingerprint, fingerprint, settings_of
from pipelines.report.span_metrics import SpansOfRun
from seriatim_errors import BundleError
from serving.bundle import Bundle, TrainingDataSummary, bundle_versions, open_bundle
from serving.bundle.manifest import MANIFEST_FILE, Manifest


def baseline_bundle(config: PipelineConfig, data: str, spans: SpansOfRun | None) -> Bundle | None:
    """The newest pushed bundle that another configuration, code or data have made; None for the first.

    A run's own earlier bundle is no baseline: then repeating a run would compare it with itself, and never
    find its cached evaluation again. A bundle of later days is none either: it may have learned from what this run
    evaluates on. One that does not say of which days it is counts, unless this run's last day was named: then nobody
    knows which of the two is the older.

    Args:
        config: of this run.
        data: fingerprint of this run's data.
        spans: this run's days; None for a log without days.
    """
    own, last_day = _own(config, data), "" if spans is None else spans.last
    named = config.data.spans is not None and config.data.spans.last is not None
    for folder, manifest in _pushed(config.bundle_folder):
        trained = manifest.training_data
        if (manifest.config_fingerprint, trained.fingerprint) == own or is_later(trained, last_day):
            continue
        if named and trained.last_day is None:
            continue
        try:
            return open_bundle(folder)
        except BundleError:
            continue
    return None


def own_bundle(config: PipelineConfig, settings: str, data: str) -> Path | None:
    """The newest pushed bundle of a configuration's fingerprint `settings` and a data fingerprint; None of none."""
    for folder, manifest in _pushed(config.bundle_folder):
        if (manifest.config_fingerprint, manifest.training_data.fingerprint) == (settings, data):
            return open_bundle(folder).folder
    return None


def later_bundle(folder: Path, last_day: str) -> str | None:
    """Version of a pushed bundle under `folder` whose days end after `last_day` (ISO 8601); None of none.

    Such a bundle must not be replaced by one that ends with that day, which its time of making would put before it.
    """
    return next((one.version for _, one in _pushed(folder) if is_later(one.training_data, last_day)), None)


def is_later(trained: TrainingDataSummary, last_day: str) -> bool:
    """Whether a bundle's days end after `last_day` (ISO 8601; empty where the log has no days)."""
    return bool(last_day) and trained.last_day is not None and trained.last_day > last_day


def _own(config: PipelineConfig, data: str) -> tuple[str, str]:
    return fingerprint([settings_of(config), code_fingerprint()]), data


def _pushed(root: Path) -> list[tuple[Path, Manifest]]:
    """Folders and manifests of the pushed bundles, the newest first."""
    folders = [root / version for version in reversed(bundle_versions(root))]
    return [
        (folder, Manifest.model_validate_json((folder / MANIFEST_FILE).read_text(encoding="utf-8")))
        for folder in folders
    ]
