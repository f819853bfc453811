"""The whole way with real parts: click log in, pushed bundle out, cached, resumed, without skew."""

import asyncio
import json
import pkgutil
import sqlite3
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from onnx import numpy_helper

from pipelines.click_log import FeatureColumns
from pipelines.examples import read_lists, read_serialised, read_standardisation, transform_outputs
from pipelines.image_features import IMAGE_PREFIX
from pipelines.item_catalogue import read_catalogue
from pipelines.phases import COMPONENTS, PHASES
from pipelines.report import load_metrics
from pipelines.report.lineage import read_lineage
from pipelines.report.metrics_file import read_metrics
from pipelines.report.page import write_report
from pipelines.report.served_pages import lineage_flow
from pipelines.stages.labelled_items import hold_out, labelled_items
from seriatim_errors import PipelineError
from serving.bundle import bundle_versions, open_bundle
from serving.features import bundle_features
from serving.runtime import SlateRanker
from serving.runtime.labeller import Labeller
from tests.pipelines.small_pipeline import artifact, run_small, write_config

pytestmark = pytest.mark.slow


def test_a_first_run_makes_everything_and_pushes_a_sound_bundle(root, first):
    finished, cached = first
    assert not any(cached.values())
    assert finished.bundle is not None
    bundle = open_bundle(finished.bundle)
    assert [stage.kind for stage in bundle.manifest.stages] == ["base_ranker", "gate", "seq2slate", "labeller"]
    assert bundle.manifest.metrics["clicks_ndcg_at_10"] > 0
    assert bundle.manifest.metrics["labels_subset_accuracy"] > 0
    assert {path.name for path in (finished.bundle / "saved_model").iterdir()} == {"gate", "seq2slate"}
    assert bundle_versions(root / "bundles" / "small") == [finished.bundle.name]


def test_the_metrics_file_holds_every_policy_with_intervals(root, first):
    metrics = read_metrics(root / "runs" / "small" / "metrics.json")
    assert [policy.policy for policy in metrics.policies] == [
        "logged", "base", "base_without_images", "seq2slate", "seq2slate_one_step", "served",
    ]  # fmt: skip
    for policy in metrics.policies:
        interval = policy.metrics["ndcg_at_10"]
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert metrics.gate is not None
    assert metrics.run.bundle_version is not None
    assert len(metrics.components) == 17
    assert set(metrics.training) == {"base_ranker", "gate", "seq2slate", "labeller"}


def test_the_bundle_holds_the_items_of_the_whole_log_as_they_were_last(root, first):
    bundle = open_bundle(first[0].bundle)
    features = bundle.manifest.features
    log = pq.read_table(root / "market" / "clicks.parquet").to_pandas().sort_values("timestamp", kind="stable")
    last = log.groupby("item_id")[[name for name in features.item if not name.startswith(IMAGE_PREFIX)]].last()
    pictures = pq.read_table(artifact(root, "ThumbnailScorer", "features") / "features.parquet").to_pandas()
    last = last.join(pictures.set_index("item_id"))[list(features.item)]
    assert bundle.manifest.item_features.items == len(last)
    store = bundle_features(bundle)
    found = asyncio.run(store.lookup([*last.index, "unheard of"], features))
    store.close_now()
    np.testing.assert_array_equal(found.matrix[:-1], last.to_numpy(np.float32))
    assert found.known.tolist() == [True] * len(last) + [False]
    assert found.matrix[-1].tolist() == [np.float32(features.defaults[name]) for name in features.item]


def test_thumbnails_are_read_once_and_their_part_of_the_quality_is_told(root, first):
    images = first[0].metrics.images
    assert (images.items, images.without, images.unreadable) == (600, 0, 0)
    assert len(images.class_names) == 10
    assert images.features == 10 + 3 + 1 + 2
    assert images.training.trained_images + images.training.held_out_images == 400
    assert [backbone.name for backbone in images.training.backbones] == ["resnet8_2", "resnet8_4"]
    pairs = [(row.policy, row.against) for row in first[0].metrics.differences]
    assert ("base", "base_without_images") in pairs
    [cache] = (root / "cache").iterdir()
    pictures = {bytes(one) for one in pq.read_table(root / "market" / "items.parquet")["thumbnail"].to_pylist()}
    assert pq.ParquetFile(cache).metadata.num_rows == len(pictures) < 600
    page = (write_report(first[0].metrics, first[0].folder)).read_text()
    assert "what thumbnails add" in page


def test_the_metrics_say_which_features_a_lookup_cannot_know(root, first):
    metrics = first[0].metrics
    variation = metrics.item_features
    assert variation.items == variation.repeated == 600
    assert variation.features == ("price_over_budget",)
    assert variation.share > 0.9
    assert open_bundle(first[0].bundle).manifest.metrics["items_with_varying_features"] == variation.share


def test_a_second_run_executes_nothing_and_reports_the_same(root, first):
    finished, _ = first
    again, cached = run_small(root)
    assert all(cached.values()), cached
    assert again.bundle == finished.bundle
    assert again.metrics.policies == finished.metrics.policies


def test_ml_metadata_knows_the_lineage(root, first):
    with sqlite3.connect(root / "runs" / "small" / "metadata.sqlite") as store:
        types = {name for (name,) in store.execute("select name from Type")}
    assert {"BaseRanker", "GateTrainer", "ItemCatalogue", "LabellerTrainer", "BundlePusher", "PushedModel"} <= {
        name.rsplit(".", 1)[-1] for name in types
    }
    lineage = read_lineage(root / "runs" / "small")
    by_name = {step.component: step for step in lineage.steps}
    assert list(by_name) == list(first[1])
    makers = {artifact: step.component for step in lineage.steps for _, artifact in step.outputs}
    taken = {name: makers[artifact] for name, artifact in by_name["BundleEvaluator"].inputs}
    assert (taken["gate"], taken["without_images"]) == ("GateTrainer", "BaseRankerWithoutImages")
    assert [artifact.facts["pushed_version"] for artifact in lineage.pushed] == [first[0].bundle.name]
    assert len(lineage_flow(lineage).boxes) == len(by_name)


def test_the_run_folder_holds_its_metrics_as_tables(root, first):
    folder = root / "runs" / "small"
    frames = load_metrics(folder)
    assert {path.stem for path in (folder / "metrics").iterdir()} == set(frames)
    written = pq.read_table(folder / "metrics" / "policies.parquet").to_pandas()
    assert written["value"].tolist() == frames["policies"]["value"].tolist()
    assert set(frames["components"]["component"]) == set(first[1])


def test_pipeline_transform_and_service_compute_equal_features(root, first):
    finished, _ = first
    manifest = open_bundle(finished.bundle).manifest
    columns = manifest.features
    examples, graph = artifact(root, "ClickLogExampleGen", "examples"), artifact(root, "Transform", "transform_graph")
    serialised = next(iter(read_serialised(examples, "eval").batch(10_000)))
    transformed = transform_outputs(graph, serialised)
    lists = read_lists(examples, "eval", FeatureColumns(columns.context, columns.item))
    by_graph = np.empty_like(lists.features)
    for index, name in enumerate(columns.names):
        values = tf.sparse.to_dense(transformed[name], default_value=np.nan).numpy()
        flat = values[~np.isnan(values)]
        by_graph[:, index] = np.repeat(flat, lists.list_sizes) if name in columns.context else flat
    standardisation = read_standardisation(graph, log1p=False)
    np.testing.assert_allclose(standardisation.apply(lists.features), by_graph, atol=1e-6)
    model = onnx.load(finished.bundle / "gate" / "model.onnx")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    session = onnxruntime.InferenceSession(str(finished.bundle / "gate" / "model.onnx"))
    served = session.run(["scores"], {"features": lists.features})[0]
    np.testing.assert_allclose(served, by_graph @ constants["kernel_out"][:, 0], atol=1e-5)


def test_the_serving_runtime_and_the_saved_models_agree(root, first):
    finished, _ = first
    bundle = open_bundle(finished.bundle)
    golden, ranker = bundle.golden(), SlateRanker(bundle)
    query = ranker.golden_query(golden, 0)
    features = np.concatenate([np.tile(query.context, (len(query.item_ids), 1)), query.features], axis=1)
    gate = tf.saved_model.load(str(finished.bundle / "saved_model" / "gate")).signatures["serving_default"]
    scores = gate(features=tf.constant(features))
    slate = ranker.rank(query)
    np.testing.assert_allclose(scores["scores"].numpy(), slate.gate_scores, atol=1e-5)
    order = np.argsort(-slate.base_scores, kind="stable")
    read = order[slate.passed[order]]
    pointer = tf.saved_model.load(str(finished.bundle / "saved_model" / "seq2slate")).signatures["serving_default"]
    placed = pointer(features=tf.constant(features[read][None]), mask=tf.ones((1, len(read)), tf.bool))
    assert read[placed["order"].numpy()[0]].tolist() == list(slate.order)


def test_phases_are_parts_of_the_whole_run(root, first):
    """What a phase finds and leaves in ML Metadata is what the whole run does."""
    last: set[str] = set()
    for phase in PHASES[:-1]:
        finished, cached = run_small(root, phase)
        assert finished is None
        assert all(cached.values()), cached
        assert set(cached) == last | (set(COMPONENTS[phase]) & set(first[1]))
        last = set(cached)
    assert last | set(COMPONENTS["publication"]) == set(first[1])


def test_changed_settings_run_only_what_depends_on_them(root, first):
    _, cached = run_small(root, gate__epochs=5)
    made = {component for component, hit in cached.items() if not hit}
    assert made == {"GateTrainer", "BundleEvaluator", "BundleBuilder", "ServingValidator", "BundlePusher"}


def test_a_changed_catalogue_trains_the_labeller_again_and_nothing_before_it(root, first):
    catalogue = root / "market" / "items.parquet"
    before = catalogue.read_bytes()
    table = pq.read_table(catalogue)
    turned = pc.subtract(1, table["tag_eco"])
    pq.write_table(table.set_column(table.column_names.index("tag_eco"), "tag_eco", turned), catalogue)
    try:
        finished, cached = run_small(root)
    finally:
        catalogue.write_bytes(before)
    made = {component for component, hit in cached.items() if not hit}
    assert made == {
        "ItemCatalogueGen", "LabellerTrainer", "BundleEvaluator", "BundleBuilder", "ServingValidator", "BundlePusher",
    }  # fmt: skip
    one, other = finished.metrics, first[0].metrics
    assert one.run.data_fingerprint != other.run.data_fingerprint
    eco, turned_eco = (next(label for label in m.labeller.labels if label.name == "eco") for m in (other, one))
    assert (turned_eco.present, turned_eco.absent) == (eco.absent, eco.present)


def test_the_labeller_learned_from_the_items_that_log_and_catalogue_share(root, first):
    labeller = first[0].metrics.labeller
    truth = pq.read_table(root / "market" / "items.parquet").to_pandas()
    assert [label.name for label in labeller.labels] == [n.removeprefix("tag_") for n in truth if n.startswith("tag_")]
    items = labeller.items
    assert items.catalogue == items.log == items.common == len(truth) == 600
    assert items.held_out == pytest.approx(300, abs=60)
    for label in labeller.labels:
        assert label.present + label.absent + label.unknown == items.trained
    assert len(labeller.planted_edges) == 7
    for score in labeller.scores:
        assert score.labeller.count == items.held_out
        assert score.difference.value == pytest.approx(score.labeller.value - score.independent.value)


def test_the_labels_that_were_judged_are_those_that_the_service_sets(root, first):
    finished, _ = first
    trained = (finished.bundle / "labeller" / "model.npz").read_bytes()
    models = artifact(root, "LabellerTrainer", "model").parent.glob("*/model.npz")
    folder = next(path.parent for path in models if path.read_bytes() == trained)
    examples = artifact(root, "ClickLogExampleGen", "examples")
    manifest = open_bundle(finished.bundle).manifest
    with np.load(folder / "model.npz", allow_pickle=False) as model:
        columns = FeatureColumns((), tuple(model["feature_names"].tolist()))
    assert set(columns.candidate) == {name for name in manifest.features.item if name.startswith("item_")}
    catalogue = read_catalogue(root / "market" / "items.parquet", "tag_")
    items, _ = labelled_items(read_lists(examples, "train", columns), catalogue)
    _, judged = hold_out(items, 0.5, seed=3, fewest=2)
    matrix = np.zeros((len(judged), len(manifest.features.names)))
    matrix[:, [manifest.features.names.index(name) for name in columns.candidate]] = judged.features
    served = Labeller(finished.bundle / "labeller" / "model.npz", manifest.features.names).labels(matrix)
    with np.load(folder / "held_out.npz") as held_out:
        np.testing.assert_array_equal(judged.tags, held_out["truth"])
        np.testing.assert_array_equal(served, held_out["labeller"])


def test_golden_requests_hold_the_labels_of_their_slates(root, first):
    bundle = open_bundle(first[0].bundle)
    golden, ranker = bundle.golden(), SlateRanker(bundle)
    assert golden.labels.shape == (3, 4, 8)
    for index in range(len(golden)):
        query = ranker.golden_query(golden, index)
        np.testing.assert_array_equal(golden.labels[index], ranker.rank(query).labels)


def test_a_changed_bundle_is_compared_with_the_one_in_service(root, first):
    finished, _ = run_small(root, gate__epochs=6)
    assert finished.metrics.blessing.against == "baseline"
    assert "baseline" in [policy.policy for policy in finished.metrics.policies]


def test_a_bundle_that_is_not_blessed_is_not_pushed(root, first):
    before = bundle_versions(root / "bundles" / "small")
    finished, _ = run_small(root, evaluation__blessing_margin=-1.0)
    assert not finished.metrics.blessing.blessed
    assert finished.bundle is None
    assert bundle_versions(root / "bundles" / "small") == before


def test_a_slice_that_is_certainly_worse_blocks_the_push(root, first):
    # Two epochs make a re-ranker that is worse than the base order, most certainly where there is most to compare.
    finished, _ = run_small(
        root, bundle_root=str(root / "other"), evaluation__slice_margin=0.0, evaluation__confidence=0.6
    )
    blessing, slices = finished.metrics.blessing, finished.metrics.slices
    assert blessing.difference.low > -blessing.margin
    assert not blessing.blessed
    assert finished.bundle is None
    assert [(one.column, one.value) for one in blessing.blocking_slices] == [
        (row.column, row.value) for row in slices.blocking
    ]
    worst = slices.rows[0]
    assert f"the slice {worst.column} = {worst.value!r} blocks" in blessing.reason


# Each component with the name under which it calls the function that does its work.
WORK = {
    "CascadeTrainer": "pipelines.stages.image_cascade.train_cascade",
    "ThumbnailScorer": "pipelines.components.images.write_item_features",
    "ClickLogExampleGen": "pipelines.components.example_gen.write_shard",
    "StatisticsGen": "tfx.components.statistics_gen.executor.Executor.Do",
    "Transform": "tfx.components.transform.executor.Executor.Do",
    "BaseRanker": "pipelines.components.trainers.train_base_ranker",
    "GateTrainer": "pipelines.components.trainers.train_rate_constrained_gate",
    "Seq2SlateTrainer": "pipelines.components.trainers.train_reranker",
    "ItemCatalogueGen": "pipelines.components.catalogue_gen.keep_catalogue",
    "LabellerTrainer": "pipelines.components.trainers.train_labeller",
    "BundleEvaluator": "pipelines.components.publishers.evaluate",
    "BundleBuilder": "pipelines.components.publishers.build_bundle",
    "ServingValidator": "pipelines.components.publishers.only_bundle",
    "BundlePusher": "pipelines.components.publishers.push_bundle",
}


def test_a_run_that_dies_in_any_component_resumes_behind_the_last_finished_one(tmp_path, first, monkeypatch):
    """The fault comes after the component's work, when its outputs lie there unpublished."""
    order = list(first[1])
    for component in sorted(WORK, key=order.index):
        work = pkgutil.resolve_name(WORK[component])

        def dies(*arguments, _work=work, **named):
            _work(*arguments, **named)
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(WORK[component], dies)
            with pytest.raises(PipelineError, match=f"component {component} failed"):
                run_small(tmp_path)
        assert not list((tmp_path / "bundles").glob("*/.partial-*"))
    finished, cached = run_small(tmp_path)
    assert finished.bundle is not None
    assert [component for component, hit in cached.items() if not hit] == ["BundlePusher"]
    assert json.loads((finished.bundle / "manifest.json").read_text())["name"] == "small"


def test_a_run_killed_outright_is_continued_by_the_next(tmp_path):
    """SIGKILL in the middle of a component: no handler runs, ML Metadata keeps a half-done execution."""
    command = [sys.executable, "-m", "seriatim", "run", "--config", str(write_config(tmp_path))]
    for part in ("seq2slate", "labeller", "images"):
        command += ["--set", f"{part}=null"]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in killed.stdout:
        if line.split()[:1] == ["Transform"]:
            killed.kill()
            break
    assert killed.wait(60) == -9
    killed.stdout.close()
    assert not list((tmp_path / "bundles").glob("*"))
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    cached = {
        line.split()[0]: line.split()[1] == "cached"
        for line in again.stdout.splitlines()
        if len(line.split()) in (2, 3)
    }
    assert cached["Transform"]
    assert not cached["BundlePusher"]
    [bundle] = bundle_versions(tmp_path / "bundles" / "small")
    assert open_bundle(tmp_path / "bundles" / "small" / bundle).manifest.name == "small"
