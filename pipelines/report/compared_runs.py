"""Several runs beside each other: what differs in their data and configurations, and whether their numbers compare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.report.metrics_file import METRICS_FILE, Metrics, read_metrics
from pipelines.report.run_folders import CONFIG_FILE, find_runs
from pipelines.report.wording import SPLIT_TITLES, metric_title, percent, policy_title, whole
from seriatim_errors import DataError

UNPAIRED = (
    "Every interval is of one run on its own. The runs' files do not hold the values of single requests, so paired "
    "differences between runs cannot be told: a run is marked best in a measure only where its whole interval lies "
    "beyond those of all other runs, and intervals that overlap leave it open, even where paired ones might not."
)
# What makes the labels of the held-out requests; the log itself is in the data's fingerprint.
LABELLING = "clicks."
ABSENT = "–"  # noqa: RUF001


@dataclass(frozen=True)
class ReadRun:
    """A run as its files tell it.

    Attributes:
        name: tells it from the others.
        folder: where it lies.
        metrics: of it.
        config: values of its configuration as JSON, by key such as `gate.epochs`; None where none is recorded.
    """

    name: str
    folder: Path
    metrics: Metrics
    config: Mapping[str, str] | None

    @property
    def seconds(self) -> float:
        """Wall time of all components."""
        return sum(part.seconds for part in self.metrics.components)


def read_runs(names: Sequence[str | Path], runs: Path) -> list[ReadRun]:
    """Read two runs or more.

    Args:
        names: of runs under `runs`, or their folders or metrics files.
        runs: folder of runs.

    Raises:
        DataError: there are fewer than two, one does not exist or is named twice, or a file of one is wrong.
    """
    if len(names) < 2:
        given = f"only {str(names[0])!r} is named" if names else "none is named"
        raise DataError(f"{given}; name two runs or more to compare")
    return [read_run(name, folder) for name, folder in find_runs(names, runs).items()]


def read_run(name: str, folder: Path) -> ReadRun:
    """Read the run in a folder.

    Raises:
        DataError: its metrics file is missing or wrong, or its configuration is not YAML.
    """
    return ReadRun(name, folder, read_metrics(folder / METRICS_FILE), _config(folder / CONFIG_FILE))


def differing_settings(runs: Sequence[ReadRun]) -> dict[str, list[str]]:
    """Keys of the configuration that differ between those runs that have one recorded, with each run's value."""
    recorded = [run.config for run in runs if run.config is not None]
    keys = sorted({key for config in recorded for key in config} - {"name"})
    return {
        key: [ABSENT if run.config is None else run.config.get(key, ABSENT) for run in runs]
        for key in keys
        if len({config.get(key) for config in recorded}) > 1
    }


def data_facts(runs: Sequence[ReadRun]) -> dict[str, list[str]]:
    """What went into each run: fingerprints, seed and counts, by what it is."""
    summaries = [run.metrics.data for run in runs]
    facts = {
        "data fingerprint": [run.metrics.run.data_fingerprint for run in runs],
        "configuration fingerprint": [run.metrics.run.config_fingerprint for run in runs],
        "seed": [str(run.metrics.run.seed) for run in runs],
    }
    for field in ("requests", "rows", "clicks"):
        counts = [getattr(summary, field) for summary in summaries]
        for split in dict.fromkeys(split for count in counts for split in count):
            facts[f"{SPLIT_TITLES.get(split, split)} {field}"] = [whole(count.get(split, 0)) for count in counts]
    if any(summary.spans is not None for summary in summaries):
        facts["days"] = ["" if summary.spans is None else summary.spans.words for summary in summaries]
    facts["rows in quarantine"] = [whole(summary.quarantined) for summary in summaries]
    facts["features"] = [whole(summary.features) for summary in summaries]
    return facts


def differences_in_kind(runs: Sequence[ReadRun]) -> list[str]:
    """Sentences on why numbers of these runs do not compare; none where the same requests were judged alike."""
    return [*_about_the_data(runs), *_about_the_labels(runs), *_about_the_intervals(runs)]


def further_cautions(runs: Sequence[ReadRun]) -> list[str]:
    """Sentences on what to keep in mind although the numbers compare."""
    sentences = []
    against = {run.name: policy_title(run.metrics.blessing.against, run.metrics) for run in runs}
    rules = {run.name: metric_title(run.metrics.blessing.metric) for run in runs}
    if len(set(against.values())) > 1 or len(set(rules.values())) > 1:
        said = "; ".join(f"{name}: {rules[name]} against '{against[name]}'" for name in against)
        sentences.append(f"The verdicts rest on different comparisons ({said}), so their differences do not compare.")
    elif "baseline" in {run.metrics.blessing.against for run in runs}:
        sentences.append(
            "Each verdict is against the bundle that was in service before that run, which need not be the same one: "
            "compare what was served, not the differences."
        )
    missing = [run.name for run in runs if run.config is None]
    if missing:
        sentences.append(f"No configuration is recorded for {_listed(missing)}: what differs in it cannot be told.")
    return sentences


def _about_the_data(runs: Sequence[ReadRun]) -> Iterator[str]:
    data = {run.name: run.metrics.run.data_fingerprint for run in runs}
    if len(set(data.values())) > 1:
        said = "; ".join(f"{name}: {value}" for name, value in data.items())
        yield (
            f"The runs were evaluated on different data ({said}): their numbers are not of the same requests and do "
            "not compare, and no best one is marked."
        )


def _about_the_labels(runs: Sequence[ReadRun]) -> Iterator[str]:
    keys = [key for key in differing_settings(runs) if key.startswith(LABELLING)]
    if keys:
        yield (
            f"The runs were judged by different labels, for they differ in {_listed(keys)}: their numbers do not "
            "compare, and no best one is marked."
        )


def _about_the_intervals(runs: Sequence[ReadRun]) -> Iterator[str]:
    confidence = {run.name: percent(run.metrics.blessing.confidence, 0) for run in runs}
    if len(set(confidence.values())) > 1:
        said = "; ".join(f"{name}: {value}" for name, value in confidence.items())
        yield (
            f"The intervals are of different confidence ({said}): their widths do not compare, and no best one is "
            "marked."
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _config(path: Path) -> dict[str, str] | None:
    try:
        return dict(_settings(yaml.safe_load(path.read_text(encoding="utf-8")), ""))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({str(error).splitlines()[0]}); run the pipeline again") from None


def _settings(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """`gate.epochs` and its value as JSON for every setting that is not a section."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _settings(inside, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, json.dumps(value, ensure_ascii=False, default=str)
