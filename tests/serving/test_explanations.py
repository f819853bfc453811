"""An item of a slate explained from its bundle, or a reason why not."""

import json
import shutil
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from ranking.base_rankers.onnx_trees import export_trees_onnx
from serving.bundle import BaseRankerStage, Bundle
from serving.explanations import (
    Contributions,
    NotExplained,
    PlaceOcclusion,
    described,
    explain,
    load_background,
    usual_context,
)
from serving.runtime import Decoding, SlateRanker
from tests.serving.small_bundles import LIST_SIZE, STEPS, make_bundle, make_query


def explained(ranker, query, decoding=Decoding.FULL, context_reference=None):
    slate = ranker.rank(query, decoding)
    background = load_background(ranker.bundle, context_reference)
    return slate, explain(ranker, background, query, slate, range(len(query.item_ids)))


def reasons(items, part):
    return {found.reason for item in items if isinstance(found := getattr(item, part), NotExplained)}


def test_every_candidate_has_contributions_that_add_up_to_its_base_score(ranker):
    slate, items = explained(ranker, make_query(9, seed=2))
    np.testing.assert_allclose([item.contributions.score for item in items], slate.base_scores, atol=1e-6)
    assert [item.row for item in items] == list(range(9))


def test_rows_are_those_of_the_query_although_the_re_ranker_reads_base_order(ranker):
    query = make_query(12, seed=3, slate_size=6)
    slate, items = explained(ranker, query)
    read = set(ranker.read_rows(slate).tolist())
    assert len(read) == LIST_SIZE < int(slate.passed.sum())
    for place, row in enumerate(slate.order[:STEPS], start=1):
        occlusion = items[row].occlusion
        assert (occlusion.row, occlusion.place) == (row, place)
        assert np.exp(occlusion.log_probability) == pytest.approx(slate.probabilities[place - 1], rel=1e-5)
        assert {other.row for other in occlusion.neighbours} == read - {row}
        [quality] = [feature for feature in occlusion.features if abs(feature.item) > 1e-4]
        assert ranker.features.names[quality.column] == "quality"
    filled = [items[row].occlusion for row in slate.order[STEPS:]]
    assert filled == [NotExplained("base order filled this place")] * 2
    absent = set(range(12)) - set(slate.order)
    assert {items[row].occlusion for row in absent} == {NotExplained("not in the slate")}


def test_a_drawn_slate_is_explained_at_its_temperature_without_places(ranker):
    query = make_query(8, seed=5, explore=True, temperature=2.0)
    slate, items = explained(ranker, query)
    for row, probability in zip(slate.order, slate.probabilities, strict=True):
        occlusion = items[row].occlusion
        assert np.exp(occlusion.log_probability) == pytest.approx(probability, rel=1e-5)
        assert not occlusion.places_compared
        assert {other.place_without for other in occlusion.neighbours} == {None}


@pytest.mark.parametrize("decoding", ["greedy", "one_step"])
def test_one_step_slates_are_explained_to_their_end(tmp_path, decoding):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("base_ranker", "seq2slate"), decoding=decoding))
    query = make_query(LIST_SIZE, seed=1, slate_size=LIST_SIZE)
    slate, items = explained(ranker, query, Decoding.ONE_STEP if decoding == "greedy" else Decoding.FULL)
    logits = query.features[:, 1].astype(np.float64)
    expected = logits - np.logaddexp.reduce(logits)
    found = [item.occlusion.log_probability for item in items]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [item.occlusion.place for item in items] == (slate.ranks + 1).tolist()


def test_the_context_is_occluded_by_its_usual_value_where_that_is_known(ranker):
    query = make_query(8, seed=6)
    without = explained(ranker, query)[1][ranker.rank(query).order[0]].occlusion
    known = explained(ranker, query, context_reference=np.zeros(1, np.float32))[1][without.row].occlusion
    assert 0 not in {feature.column for feature in without.features}
    [hour] = [feature for feature in known.features if feature.column == 0]
    assert (hour.item, hour.place_item, hour.place_everywhere) == (None, None, 1)
    assert hour.everywhere == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("kinds", "contributions", "occlusion"),
    [
        (("base_ranker",), set(), {"the bundle has no re-ranker"}),
        (("gate", "seq2slate"), {"the bundle has no base ranker"}, {"not in the slate"}),
    ],
)
def test_a_stage_that_is_not_there_is_named(tmp_path, kinds, contributions, occlusion):
    _, items = explained(SlateRanker(make_bundle(tmp_path, kinds=kinds)), make_query(7, seed=4, slate_size=2))
    assert reasons(items, "contributions") == contributions
    assert reasons(items, "occlusion") == occlusion


def test_slates_that_hang_on_nothing_say_so(ranker, monkeypatch):
    query = make_query(7, seed=4)
    assert reasons(explained(ranker, query, Decoding.BASE)[1], "occlusion") == {
        "the re-ranker was left out, for time was short"
    }
    [reason] = reasons(explained(ranker, replace(query, epsilon=0.5))[1], "occlusion")
    assert "uniform draw" in reason
    low = replace(query, features=query.features - np.array([9, 0, 9], np.float32))
    assert reasons(explained(ranker, low)[1], "occlusion") == {"no candidate passed the gate"}
    monkeypatch.setattr("serving.explanations.items.MOST_READ", 2)
    [reason] = reasons(explained(ranker, query)[1], "occlusion")
    assert "of at most 2" in reason


@pytest.fixture
def graph_bundle(bundle, tmp_path):
    """The same bundle, whose base ranker is a graph beside the text model."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    export_trees_onnx((folder / "base_ranker/model.txt").read_text(), folder / "base_ranker/model.onnx")
    stages = [stage for stage in bundle.manifest.stages if stage.kind != "base_ranker"]
    stages.append(BaseRankerStage(file="base_ranker/model.onnx", trees=5))
    return Bundle(folder, bundle.manifest.model_copy(update={"stages": tuple(stages)}))


def test_a_graph_is_explained_by_the_text_model_beside_it(graph_bundle):
    slate, items = explained(SlateRanker(graph_bundle), make_query(9, seed=2))
    np.testing.assert_allclose([item.contributions.score for item in items], slate.base_scores, atol=1e-5)
    assert all(isinstance(item.contributions, Contributions) for item in items)
    assert {type(items[row].occlusion) for row in slate.order} == {PlaceOcclusion}


def test_a_text_model_of_other_scores_or_none_explains_nothing(graph_bundle):
    ranker, text = SlateRanker(graph_bundle), graph_bundle.folder / "base_ranker/model.txt"
    lightgbm.Booster(model_file=text).save_model(text, num_iteration=4)
    [reason] = reasons(explained(ranker, make_query(9, seed=2))[1], "contributions")
    assert "was changed" in reason
    unsealed = graph_bundle.manifest.model_copy(update={"files": {}})
    ranker = SlateRanker(Bundle(graph_bundle.folder, unsealed))
    [reason] = reasons(explained(ranker, make_query(9, seed=2))[1], "contributions")
    assert "scores otherwise" in reason
    text.write_text("no trees")
    [reason] = reasons(explained(ranker, make_query())[1], "contributions")
    assert "no LightGBM model" in reason
    text.unlink()
    assert reasons(explained(ranker, make_query())[1], "contributions") == {
        "the bundle has no text model beside the base ranker's graph"
    }


def test_a_description_names_features_and_items_and_is_json(ranker):
    query = make_query(8, seed=6)
    slate = ranker.rank(query)
    background = load_background(ranker.bundle, usual_context(ranker.bundle))
    [item] = explain(ranker, background, query, slate, [slate.order[1]], most=2)
    told = json.loads(json.dumps(described(item, query, ranker.features.names, 2)))
    assert (told["base_reason"], told["occlusion_reason"]) == (None, None)
    parts = told["base"]["expected"] + sum(one["contribution"] for one in told["base"]["contributions"])
    assert parts + told["base"]["others"] == pytest.approx(slate.base_scores[item.row], abs=1e-6)
    assert len(told["base"]["contributions"]) == 2
    for one in (*told["base"]["contributions"], *told["occlusion"]["features"]):
        assert one["value"] == query.matrix()[item.row, ranker.features.names.index(one["feature"])]
    assert len(told["occlusion"]["neighbours"]) == 2
    assert {one["item_id"] for one in told["occlusion"]["neighbours"]} < set(query.item_ids) - {
        query.item_ids[item.row]
    }


def test_the_usual_context_is_that_of_the_golden_requests(ranker):
    assert usual_context(ranker.bundle) == pytest.approx(ranker.bundle.golden().context.mean(axis=0), rel=1e-6)
