"""Arms of a simulated week with the real service; what the nights would have trained is put there."""

import asyncio
import json
import multiprocessing
import shutil
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow.parquet
import pytest

from pipelines.closed_loop import arm as arm_module
from pipelines.closed_loop import night
from pipelines.closed_loop.arm import Arm
from pipelines.closed_loop.faults import inverted_log, push_bad_bundle, push_damaged_bundle
from pipelines.closed_loop.night import NightPlan, NightResult, broken_night
from pipelines.closed_loop.service import running_service, service_config
from pipelines.closed_loop.settings import WeekSettings
from pipelines.closed_loop.week import Watch, run_week
from pipelines.closed_loop.world import World
from pipelines.hashed_split import identifier_hash
from pipelines.readers.event_log import EventJoin, read_event_logs
from pipelines.simulation.marketplace import CONTEXT_FEATURES, ITEM_FEATURES
from ranking.base_rankers.onnx_trees import export_trees_onnx
from seriatim_errors import BundleError, ConfigError
from serving.bundle import (
    BaseRankerStage,
    Bundle,
    Features,
    GoldenRequests,
    Manifest,
    TrainingDataSummary,
    bundle_versions,
    open_bundle,
    write_bundle,
)
from serving.models import load_model
from serving.runtime import SlateQuery, SlateRanker

CONFIG = Path("configs/closed_loop.yaml")
VERSION, SLATE = "20240101T000000Z-00000000", 5
SETTINGS = WeekSettings(days=3, requests_per_day=400, exploration_share=0.3)


@pytest.fixture(scope="module")
def world():
    return World(SETTINGS)


@pytest.fixture(scope="module")
def first(tmp_path_factory, world):
    """A bundle whose trees know what users want."""
    folder = tmp_path_factory.mktemp("first")
    log = world.requests(0, 300)
    context = np.repeat(log.context[:, None], log.mask.shape[1], axis=1)[log.mask]
    features = np.concatenate([context, log.features[log.mask]], axis=1)
    settings = {"objective": "regression", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 0}
    model = lightgbm.train(settings, lightgbm.Dataset(features, log.wanted[log.mask].astype(float)), num_boost_round=40)
    (folder / "model.txt").write_text(model.model_to_string())
    export_trees_onnx(model.model_to_string(), folder / "model.onnx")
    manifest = Manifest(
        version=VERSION,
        name="closed_loop",
        created="2024-01-01T00:00:00+00:00",
        features=Features(context=CONTEXT_FEATURES, item=ITEM_FEATURES),
        stages=(BaseRankerStage(file="base_ranker/model.onnx", trees=40),),
        training_data=TrainingDataSummary(fingerprint="f", requests=300, rows=len(features)),
        config_fingerprint="c",
        seed=0,
    )
    files = {f"base_ranker/{name}": folder / name for name in ("model.txt", "model.onnx")}
    draft = write_bundle(folder / "draft", manifest, files, golden(log, None))
    ranker = SlateRanker(Bundle(draft, manifest))
    return open_bundle(write_bundle(folder / "bundles", manifest, files, golden(log, ranker))).folder


def golden(log, ranker):
    """Two requests of a day and what `ranker` makes of them."""
    queries = [
        SlateQuery(f"g{row}", tuple(log.item_ids(row)), log.context[row], log.features[row, log.mask[row]], SLATE)
        for row in range(2)
    ]
    slates = [] if ranker is None else [ranker.rank(query) for query in queries]
    sizes = [len(query.item_ids) for query in queries]
    return GoldenRequests(
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        item_ids=np.concatenate([query.item_ids for query in queries]),
        context=np.stack([query.context for query in queries]),
        features=np.concatenate([query.features for query in queries]),
        slate_sizes=np.full(2, SLATE),
        slates=np.array([slate.order for slate in slates]) if slates else np.full((2, SLATE), -1),
        base_scores=np.concatenate([slate.base_scores for slate in slates]) if slates else np.zeros(sum(sizes)),
    )


@pytest.fixture
def arm(tmp_path, world, first):
    """An exploring arm with the first bundle in its folder."""
    bundles = tmp_path / "bundles" / "closed_loop"
    bundles.mkdir(parents=True)
    (bundles / VERSION).symlink_to(first)
    return Arm("exploring", SETTINGS, world, CONFIG, tmp_path, bundles)


def serve(arm, day):
    return asyncio.run(arm.serve_day(day, VERSION))


def test_a_day_is_served_logged_and_clicked(arm, world):
    record, served = serve(arm, 1)
    assert set(served.versions) == {VERSION}
    assert 0.2 < served.explored.mean() < 0.4
    # A quarter of the candidates is wanted: by chance one and a quarter of five.
    assert served.wanted[served.explored].mean() < 2 < served.wanted[~served.explored].mean()
    table = read_event_logs([arm.events], EventJoin())[0].table.to_pandas()
    assert len(table) == 400 * SLATE
    assert table["clicked"].sum() == served.clicks.sum()
    assert (
        table.groupby("request_id")["clicked"].sum().loc[world.requests(1, 400).ids].tolist() == served.clicks.tolist()
    )
    explored = table.groupby("request_id")["propensity"].max() < 0.5
    assert explored.loc[world.requests(1, 400).ids].tolist() == served.explored.tolist()
    assert record.events == (tuple(sorted(path.name for path in arm.events.iterdir())),)
    assert multiprocessing.active_children() == []


def test_a_finished_day_is_not_served_again_and_a_day_that_was_cut_off_leaves_nothing(arm):
    _, served = serve(arm, 1)
    (arm.events / "99999999T000000-1-1.jsonl").write_text("of a day that was cut off\n")
    (arm.bundles / VERSION).rename(arm.folder / "elsewhere")
    _, again = serve(arm, 1)
    np.testing.assert_array_equal(again.clicks, served.clicks)
    (arm.folder / "elsewhere").rename(arm.bundles / VERSION)
    record, _ = serve(arm, 2)
    assert len(record.events) == 2
    assert len(read_event_logs([arm.events], EventJoin())[0].table) == 2 * 400 * SLATE


def test_a_bundle_that_ranks_badly_is_rolled_back_by_its_clicks(arm, first):
    serve(arm, 1)
    bad = push_bad_bundle(first, arm.bundles)
    assert load_model(arm.bundles / bad).version == bad, "nothing but traffic shows what it is"
    arm.records.keep_night(1, NightResult(bad, "pushed by hand", 0.0))
    record, served = serve(arm, 2)
    assert not record.promoted
    assert "certainly worse" in record.decision
    assert record.stable == VERSION
    morning, rest = served.versions[:160], served.versions[160:]
    assert 0.35 < (morning == bad).mean() < 0.65
    assert set(rest) == {VERSION}
    assert not (arm.bundles / bad).exists(), "the next night is not compared with it"


@pytest.mark.slow
def test_a_sound_canary_is_promoted_and_stays_over_the_next_start(arm, first):
    serve(arm, 1)
    good = "20300101T000000Z-00000000"
    bundle = open_bundle(first)
    files = {"base_ranker": first / "base_ranker"}
    write_bundle(arm.bundles, bundle.manifest.model_copy(update={"version": good, "files": {}}), files, bundle.golden())
    arm.records.keep_night(1, NightResult(good, "blessed", 0.0))
    record, served = serve(arm, 2)
    assert record.promoted
    assert record.stable == good
    assert set(served.versions[160:]) == {good}
    assert set(serve(arm, 3)[1].versions) == {good}


def test_a_damaged_bundle_never_gets_traffic(arm, first):
    serve(arm, 1)
    damaged = push_damaged_bundle(first, arm.bundles)
    with pytest.raises(BundleError, match=r"base_ranker/model\.onnx"):
        load_model(arm.bundles / damaged)
    arm.records.keep_night(1, NightResult(damaged, "pushed", 0.0))
    record, served = serve(arm, 2)
    assert not record.promoted
    assert "refused by the service" in record.decision
    assert set(served.versions) == {VERSION}


def test_a_service_that_cannot_start_says_why_and_leaves_no_process(tmp_path):
    config = service_config(tmp_path / "none", tmp_path / "events", 0.0)
    with pytest.raises(BundleError, match="no bundle under"), running_service(config, tmp_path / "log"):
        pass
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("training_alone", [True, False])
def test_an_inverted_log_spares_what_is_held_out_where_it_should(arm, training_alone):
    serve(arm, 1)
    true = read_event_logs([arm.events], EventJoin())[0].table.to_pandas()
    wrong = inverted_log(arm.events, EventJoin(), training_alone, 7, 0.2).to_pandas()
    held_out = identifier_hash(true["request_id"].to_numpy(object), 7) < 0.2
    spared = held_out & training_alone
    assert (wrong["clicked"] != true["clicked"]).tolist() == (~spared).tolist()


def test_nights_that_are_broken_after_the_training_push_what_they_say(arm, first):
    plan = NightPlan(CONFIG, {}, arm.folder / "night", arm.bundles.parent)
    bad = broken_night(plan, [], arm.bundles / VERSION, "bad_push", print)
    assert open_bundle(arm.bundles / bad.version).manifest.version == bad.version
    assert bad.decision == "pushed by hand, past the blessing"
    shutil.rmtree(arm.bundles / bad.version)
    damaged = broken_night(plan, [], arm.bundles / VERSION, "damaged", print)
    with pytest.raises(BundleError):
        load_model(arm.bundles / damaged.version)


def test_a_night_of_wrong_labels_alone_is_trained_on_a_log_in_which_all_are_wrong(arm, monkeypatch):
    serve(arm, 1)
    trained = []
    monkeypatch.setattr(night, "train_on", lambda plan, log, log_format, say: trained.append((log, log_format)))
    plan = NightPlan(CONFIG, {}, arm.folder / "night", arm.bundles.parent)
    broken_night(plan, sorted(arm.events.iterdir()), arm.bundles / VERSION, "all_labels", print)
    [(log, log_format)] = trained
    assert log_format == "parquet"
    true = read_event_logs([arm.events], EventJoin())[0].table
    assert pyarrow.parquet.read_table(log)["clicked"].to_pylist() == [
        1 - value for value in true["clicked"].to_pylist()
    ]


def test_a_bundle_of_a_night_that_was_cut_off_is_gone_before_the_night_begins_anew(arm, first, monkeypatch):
    serve(arm, 1)
    orphan = push_bad_bundle(first, arm.bundles)
    monkeypatch.setattr(arm_module, "night", lambda plan, events, say: NightResult("", str(list_of(arm)), 0.0))
    assert orphan in list_of(arm)
    assert arm.train_at_night(1, print).decision == str([VERSION])


def list_of(arm):
    return bundle_versions(arm.bundles)


def test_a_folder_takes_one_kind_of_week(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({**SETTINGS.as_dict(), "seed": 5}))
    with pytest.raises(ConfigError, match="another seed, pipeline; give the same again"):
        run_week(CONFIG, SETTINGS, tmp_path, Watch(print, print))
