"""Past days, one run after another: order, warm start, caching, and nothing older put over what is newer."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.backfill import backfill, backfill_config, days_between
from pipelines.components.publishers import BLESSED, BundlePusher
from pipelines.config import load_config
from pipelines.earlier_bundles import baseline_bundle, own_bundle
from pipelines.pushed_bundles import PushedBundles
from pipelines.report.metrics_file import read_metrics
from pipelines.report.page import render
from pipelines.report.span_metrics import SpanOfRun, SpansOfRun
from pipelines.stages.kept_weights import read_weights
from pipelines.warm_start import warm_start_of
from seriatim_errors import ConfigError, DataError
from serving.bundle import bundle_versions, open_bundle
from tests.pipelines.daily_logs import day, day_log, write_day
from tests.pipelines.small_pipeline import told_to

CONFIG = """
name: daily
data:
  path: {root}/logs/{{date}}/log.parquet
  spans: {{window: 2, evaluation: 1}}
base_ranker: {{trees: 4, folds: 2}}
gate: {{hidden_sizes: [], epochs: 2, folds: 2, warm_start: true}}
seq2slate: {{hidden_size: 4, epochs: 2, warm_start: true}}
evaluation: {{bootstrap_samples: 100, model_analysis: false, blessing_margin: 1.0}}
serving: {{slate_size: 2, golden_requests: 2}}
run_root: {root}/runs
bundle_root: {root}/bundles
"""


def config_of(root, **overrides):
    path = root / "daily.yaml"
    path.write_text(CONFIG.format(root=root))
    return load_config(path, {key.replace("__", "."): value for key, value in overrides.items()})


def clicked_day(number):
    rng = np.random.default_rng(number)
    table = day_log(number, requests=40)
    price = rng.normal(number, 1.0 + number, len(table))
    return day_log(number, requests=40, item_price=price.tolist(), clicked=(price > number).astype(int).tolist())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("backfill")


@pytest.fixture(scope="module")
def outcomes(root):
    """Two days, and a third that is not there."""
    for number in (0, 1, 2):
        write_day(root, number, clicked_day(number))
    return list(backfill(config_of(root), [day(1), day(2), day(3)], told_to({}), push=False, keep_going=True))


@pytest.mark.slow
def test_days_run_in_order_and_one_that_fails_is_told(outcomes):
    assert [outcome.day for outcome in outcomes] == [day(1), day(2), day(3)]
    first, second, third = outcomes
    assert [outcome.error for outcome in (first, second)] == ["", ""]
    assert third.error.startswith("data.spans.last 2026-01-04")
    assert first.metrics.data.spans.words == "2026-01-01 to 2026-01-02 (1 day to train on; 1 to evaluate on)"
    assert second.metrics.data.rows == {"train": 120, "eval": 120}
    assert 0 <= second.value.value <= 1
    assert not first.cached


@pytest.mark.slow
def test_each_day_is_compared_with_and_starts_from_the_bundle_of_the_day_before(root, outcomes):
    first, second, _ = (outcome.metrics for outcome in outcomes)
    assert first.blessing.against != "baseline"
    assert second.blessing.against == "baseline"
    assert {name: start.version for name, start in first.starts.items()} == {"gate": None, "seq2slate": None}
    assert first.starts["gate"].reason == "there is no earlier bundle of other data, configuration or code"
    before = first.run.bundle_version
    assert {name: start.version for name, start in second.starts.items()} == {"gate": before, "seq2slate": before}
    assert f"seq2slate started from {before}" in render(second)
    assert "2026-01-02 to 2026-01-03 (1 day to train on; 1 to evaluate on)" in render(second)


@pytest.mark.slow
def test_nothing_that_serves_or_reports_sees_a_backfill_that_does_not_push(root, outcomes):
    assert not (root / "bundles").exists()
    assert sorted(path.name for path in (root / "runs" / "daily").iterdir()) == ["backfill"]
    folder = backfill_config(config_of(root), day(1), push=False).run_folder / "days"
    kept = [read_metrics(folder / name / "metrics.json").run.bundle_version for name in ("2026-01-02", "2026-01-03")]
    assert kept == [outcome.metrics.run.bundle_version for outcome in outcomes[:2]]


@pytest.mark.slow
def test_an_interrupted_backfill_goes_on_behind_what_is_finished(root, outcomes):
    again = list(backfill(config_of(root), [day(1), day(2), day(3)], told_to({}), push=False, keep_going=False))
    assert [outcome.cached for outcome in again] == [True, True, False]
    for before, now in zip(outcomes[:2], again[:2], strict=True):
        assert now.metrics.run.bundle_version == before.metrics.run.bundle_version
        assert now.metrics.starts == before.metrics.starts


@pytest.mark.slow
def test_a_bundle_tells_its_days_and_keeps_its_weights(root, outcomes):
    config = backfill_config(config_of(root), day(2), push=False)
    bundle = open_bundle(config.bundle_folder / outcomes[1].metrics.run.bundle_version)
    trained = bundle.manifest.training_data
    assert (trained.first_day, trained.trained_until, trained.last_day) == ("2026-01-02", "2026-01-02", "2026-01-03")
    assert trained.held_out == "days"
    kept = read_weights(bundle.folder / "seq2slate" / "weights.npz")
    assert kept.features == bundle.manifest.features.names
    assert kept.kind == "seq2slate lstm"
    assert not kept.constant.any()
    with pytest.raises(DataError, match="is missing; only bundles made by this release"):
        read_weights(bundle.folder / "elsewhere.npz")


def spans(last, held_out=True):
    days = (SpanOfRun(day=str(day(last - 1))), SpanOfRun(day=str(day(last)), held_out=held_out))
    return SpansOfRun(first=str(day(last - 1)), last=str(day(last)), days=days)


@pytest.mark.slow
def test_a_bundle_of_later_days_is_no_baseline_and_is_not_replaced(root, outcomes):
    config = backfill_config(config_of(root), day(2), push=False)
    first, second = bundle_versions(config.bundle_folder)
    bundles = PushedBundles(config, lambda message: None)
    assert baseline_bundle(config, bundles, "other", spans(3)).manifest.version == second
    assert baseline_bundle(config, bundles, "other", spans(2)).manifest.version == second
    assert baseline_bundle(config, bundles, "other", spans(1)).manifest.version == first
    assert baseline_bundle(config, bundles, "other", spans(0)) is None
    assert [bundles.later(str(day(last))) for last in (0, 1, 2)] == [second, second, None]
    assert bundles.later("") is None


@pytest.mark.slow
@pytest.mark.parametrize(("later", "pushed"), [("20260103T000000Z-00000000", False), ("", True)])
def test_a_blessed_bundle_is_pushed_unless_one_of_later_days_is_there(tmp_path, root, outcomes, later, pushed):
    served = backfill_config(config_of(root), day(2), push=False).bundle_folder
    shutil.copytree(served, tmp_path / "served")
    new = write_another(served / bundle_versions(served)[0], tmp_path / "new")
    blessing = SimpleNamespace(get_int_custom_property=lambda name: BLESSED)
    told = {}
    artifact = SimpleNamespace(
        uri=str(tmp_path / "pushed"),
        set_int_custom_property=told.__setitem__,
        set_string_custom_property=told.__setitem__,
    )
    BundlePusher.EXECUTOR_SPEC.executor_class._FUNCTION(
        bundle=SimpleNamespace(uri=str(tmp_path / "new")),
        model_blessing=blessing,
        infra_blessing=blessing,
        pushed=artifact,
        bundle_folder=str(tmp_path / "served"),
        later=later,
        code="",
    )
    assert (new in bundle_versions(tmp_path / "served")) == bool(told["pushed"]) == pushed


@pytest.mark.slow
def test_an_earlier_day_that_is_run_again_with_other_settings_has_its_bundle_where_nothing_serves(root, outcomes):
    again = config_of(root, base_ranker__trees=5)
    [first] = backfill(again, [day(1)], told_to({}), push=False, keep_going=False)
    config = backfill_config(again, day(1), push=False)
    version = first.metrics.run.bundle_version
    assert version == bundle_versions(config.bundle_folder)[-1]
    bundles = PushedBundles(config, lambda message: None)
    assert baseline_bundle(config, bundles, "other", spans(2)).manifest.version == version
    shutil.rmtree(config.bundle_folder / version)


def test_a_bundle_whose_manifest_is_malformed_is_passed_over(tmp_path):
    config = config_of(tmp_path)
    (config.bundle_folder / "20260101T000000Z-00000000").mkdir(parents=True)
    (config.bundle_folder / "20260101T000000Z-00000000" / "manifest.json").write_text("{}")
    bundles = PushedBundles(config, lambda message: None)
    assert bundles.later("2020-01-01") is None
    assert baseline_bundle(config, bundles, "other", None) is None
    assert own_bundle(bundles, "settings", "data") is None


def write_another(bundle, folder):
    """The bundle under a version that was made later; returns the version."""
    version = f"3{bundle.name[1:]}"
    shutil.copytree(bundle, folder / version)
    manifest = folder / version / "manifest.json"
    manifest.write_text(manifest.read_text().replace(bundle.name, version))
    return version


@pytest.mark.slow
def test_what_has_seen_the_held_out_requests_is_not_started_from(root, outcomes):
    config = backfill_config(config_of(root), day(2), push=False)
    bundle = open_bundle(config.bundle_folder / outcomes[1].metrics.run.bundle_version)
    assert warm_start_of(config, spans(3), bundle).bundle == bundle.folder.resolve()
    overlapping = warm_start_of(config, spans(1), bundle)
    assert (overlapping.bundle, overlapping.reason) == (
        None,
        f"bundle {bundle.folder.name} was trained until 2026-01-02, and this run evaluates from 2026-01-02 on",
    )
    by_hash = config.model_copy(update={"data": config_of(root, data__spans__evaluation=0).data})
    assert (
        "held out by another rule (days, this run by share 0.2 of requests"
        in warm_start_of(by_hash, spans(3, held_out=False), bundle).reason
    )


def test_days_are_rising_and_whole():
    assert days_between(day(0), day(7), 3) == [day(0), day(3), day(6)]
    with pytest.raises(ConfigError, match="is after --to"):
        days_between(day(1), day(0), 1)
    with pytest.raises(ConfigError, match="give 1d or more"):
        days_between(day(0), day(1), 0)


def test_a_pipeline_whose_log_has_no_days_has_no_backfill(tmp_path):
    config = config_of(tmp_path, data__path="log.parquet", data__spans=None)
    with pytest.raises(ConfigError, match=r"data\.spans: is missing"):
        backfill_config(config, day(0), push=False)


def test_with_push_the_pipelines_own_folders_are_used(tmp_path):
    config = config_of(tmp_path)
    assert backfill_config(config, day(1), push=True).bundle_folder == config.bundle_folder
    assert backfill_config(config, day(1), push=True).data.spans.last == day(1)
