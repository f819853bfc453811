"""Training the labeller: files that the service and the report can read, and a ridge that generalises."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.config import EvaluationConfig, LabellerConfig
from pipelines.evaluation.labeller import labeller_metrics
from pipelines.item_catalogue import ItemCatalogue
from pipelines.stages.catalogue import CATALOGUE_FILE, keep_catalogue
from pipelines.stages.labelled_items import LabelledItems, hold_out, labelled_items
from pipelines.stages.labeller import RIDGES, best_ridge, history_rows, read_learned, train_labeller
from ranking.lists import RankingLists
from seriatim_errors import DataError
from structured import load_labeller
from structured.inference.decode import best_labels

LABELS = ("a", "b", "c")


def drawn_catalogue(items, rng):
    """Tags with a feature each, of which a and b attract and b and c repel each other; a tenth is not known."""
    features = rng.normal(size=(items, 3))
    states = np.array(list(itertools.product([-1, 1], repeat=3)))
    pairs = 2.0 * states[:, 0] * states[:, 1] - 2.0 * states[:, 1] * states[:, 2]
    chances = np.exp(1.5 * features @ states.T + pairs)
    drawn = (chances.cumsum(axis=1) < rng.uniform(size=(items, 1)) * chances.sum(axis=1, keepdims=True)).sum(axis=1)
    tags = np.where(rng.uniform(size=(items, 3)) < 0.1, -1, states[drawn] > 0).astype(np.int8)
    return ItemCatalogue(np.array([f"i{index}" for index in range(items)], object), LABELS, tags), features


def shown_thrice(item_ids, features):
    count = len(item_ids)
    return RankingLists(
        request_ids=np.array(["r0", "r1", "r2"], object),
        offsets=np.array([0, count, 2 * count, 3 * count]),
        item_ids=np.tile(item_ids, 3),
        features=np.tile(features, (3, 1)).astype(np.float32),
        feature_names=("item_x", "item_y", "item_z"),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A labeller trained on 400 items that are shown three times each, and the folder it lies in."""
    folder = tmp_path_factory.mktemp("labeller")
    catalogue, features = drawn_catalogue(400, np.random.default_rng(0))
    catalogue.write(folder / CATALOGUE_FILE, "tag_")
    lists = shown_thrice(catalogue.item_ids, features)
    data = SimpleNamespace(lists=lambda split: {"train": lists}[split])
    train_labeller(data, folder, LabellerConfig(ridge=0.01, folds=2), seed=3, folder=folder)
    return SimpleNamespace(folder=folder, catalogue=catalogue, lists=lists)


def test_the_forest_joins_tags_that_depend_on_each_other_with_the_right_sign(trained):
    learned = read_learned(trained.folder)
    signs = {edge: np.sign(coupling) for edge, coupling in zip(learned.edges, learned.couplings, strict=True)}
    assert signs == {(0, 1): 1, (1, 2): -1}
    assert all(strength > 0 for strength in learned.strengths)


def test_the_counts_are_those_of_the_items_that_were_learned_from(trained):
    learned = read_learned(trained.folder)
    items, _ = labelled_items(trained.lists, trained.catalogue)
    train, judged = hold_out(items, 0.2, seed=3, fewest=2)
    assert (learned.trained, learned.held_out) == (len(train), len(judged))
    assert learned.untagged == 400 - len(items)
    for value, counts in ((1, learned.present), (0, learned.absent), (-1, learned.unknown)):
        assert counts == tuple((train.tags == value).sum(axis=0))


def test_the_written_model_predicts_what_was_judged(trained):
    items, _ = labelled_items(trained.lists, trained.catalogue)
    _, judged = hold_out(items, 0.2, seed=3, fewest=2)
    with np.load(trained.folder / "held_out.npz") as held_out:
        np.testing.assert_array_equal(held_out["truth"], judged.tags)
        model = load_labeller(trained.folder / "model.npz")
        predicted = best_labels(model.potentials(judged.features))
        np.testing.assert_array_equal(held_out["labeller"], predicted)
        known = judged.tags != -1
        assert (predicted == judged.tags)[known].mean() > 0.8


def test_the_metrics_name_the_edges_and_keep_planted_ones_of_these_labels_alone(trained):
    config = EvaluationConfig(bootstrap_samples=100)
    metrics = labeller_metrics(trained.folder, (("a", "b"), ("c", "a")), config, seed=0)
    assert metrics.planted_edges == (("a", "b"), ("c", "a"))
    assert {(edge.first, edge.second) for edge in metrics.edges} <= {("a", "b"), ("a", "c"), ("b", "c")}
    assert [score.metric for score in metrics.scores] == ["hamming_loss", "subset_accuracy", "micro_f1", "macro_f1"]
    assert labeller_metrics(trained.folder, (("a", "other"),), config, seed=0).planted_edges is None
    assert labeller_metrics(trained.folder, None, config, seed=0).planted_edges is None


def test_the_history_is_numbers_by_step(trained):
    rows = json.loads((trained.folder / "history.json").read_text())
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(isinstance(value, float) for row in rows for value in row.values())


def test_a_history_keeps_what_can_be_drawn():
    rounds = [{"objective": 2.0, "edges": 3, "penalty": np.float64(0.5), "tree_kept": True}]
    assert history_rows(rounds) == [{"step": 1.0, "edges": 3.0, "penalty": 0.5}]


@pytest.mark.parametrize("ridge", [0.1, None])
def test_tags_that_are_hardly_or_never_known_do_not_stop_the_training(tmp_path, ridge, monkeypatch):
    monkeypatch.setattr("pipelines.stages.labeller.RIDGES", RIDGES[-2:])
    catalogue, features = drawn_catalogue(40, np.random.default_rng(2))
    items, _ = labelled_items(shown_thrice(catalogue.item_ids, features), catalogue)
    train, judged = hold_out(items, 0.2, seed=0, fewest=2)
    # Nobody knows the first, one item to learn from the second, only items to judge by the third.
    more = {item: [-1, -1, -1] for item in catalogue.item_ids}
    more[train.item_ids[0]] = [-1, 1, -1]
    more |= {item: [-1, -1, 1] for item in judged.item_ids}
    tags = np.concatenate([catalogue.tags, [more[item] for item in catalogue.item_ids]], axis=1).astype(np.int8)
    ItemCatalogue(catalogue.item_ids, (*LABELS, "none", "one", "late"), tags).write(tmp_path / CATALOGUE_FILE, "tag_")
    data = SimpleNamespace(lists=lambda split: shown_thrice(catalogue.item_ids, features))
    train_labeller(data, tmp_path, LabellerConfig(ridge=ridge, folds=2), seed=0, folder=tmp_path)
    learned = read_learned(tmp_path)
    assert learned.labels == (*LABELS, "one")
    assert learned.left_out == ("none", "late")
    assert (learned.present[3], learned.absent[3]) == (1, 0)
    assert learned.ridge in ([ridge] if ridge else RIDGES[-2:])
    metrics = labeller_metrics(tmp_path, None, EvaluationConfig(bootstrap_samples=100), seed=0)
    assert metrics.left_out == ("none", "late")
    assert metrics.scores[0].labeller.count == len(judged)


class Threshold:
    """Says 1 above its ridge: a classifier whose best ridge is known beforehand."""

    def __init__(self, ridge):
        self.ridge = ridge

    def fit(self, X, Y, feature_names, label_names):
        assert len(X) == len(Y)
        return self

    def predict(self, X):
        return (self.ridge < X).astype(np.int64)


def test_the_ridge_is_the_one_that_errs_least_on_unseen_known_tags():
    features = np.geomspace(1e-5, 1, 60)[:, None]
    tags = (features > 0.03).astype(np.int8)
    ids = np.array([f"i{index}" for index in range(60)], object)
    assert best_ridge(Threshold, LabelledItems(ids, features, ("x",), tags, ("t",)), folds=4, seed=0) in (0.01, 0.1)
    tags[features > 0.02] = -1
    assert best_ridge(Threshold, LabelledItems(ids, features, ("x",), tags, ("t",)), folds=4, seed=0) == max(RIDGES)


def test_a_catalogue_that_changes_while_the_run_goes_on_is_refused(tmp_path):
    catalogue, _ = drawn_catalogue(5, np.random.default_rng(1))
    catalogue.write(tmp_path / "items.parquet", "tag_")
    (tmp_path / "kept").mkdir()
    keep_catalogue(tmp_path / "items.parquet", "tag_", catalogue.fingerprint, tmp_path / "kept")
    with pytest.raises(DataError, match="changed while the run went on; run again"):
        keep_catalogue(tmp_path / "items.parquet", "tag_", "0123456789abcdef", tmp_path / "kept")
