"""The simulated marketplace: seeded, within the contract, and true to its own description."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.click_log import validate
from pipelines.readers import read_log
from pipelines.simulation import SimulationSettings, simulate_marketplace, write_marketplace
from pipelines.simulation.marketplace import plackett_luce
from ranking.click_models import Cascade, DiverseClicks, clicks_on_order
from ranking.click_models.similarity import similar_pairs_by_list_size
from ranking.lists import RankingLists
from seriatim_errors import ConfigError


@pytest.fixture(scope="module")
def market():
    return simulate_marketplace(SimulationSettings(requests=600, seed=5))


def test_one_seed_gives_one_log(market):
    again = simulate_marketplace(SimulationSettings(requests=600, seed=5))
    assert market.log.equals(again.log)
    other = simulate_marketplace(SimulationSettings(requests=600, seed=6))
    assert not market.log.equals(other.log)


def test_the_log_keeps_the_contract(market):
    validated = validate(market.log)
    assert validated.reasons == {}
    assert validated.defaulted == {}
    sizes = np.unique(np.unique(market.log["request_id"].to_numpy(), return_counts=True)[1])
    assert sizes.min() >= 20
    assert sizes.max() <= 40


def test_clicks_fall_on_relevant_items_only_and_thin_out_with_position(market):
    clicked = market.log["clicked"].to_numpy() > 0
    assert market.truth["relevant"].to_numpy()[clicked].all()
    position = market.log["position"].to_numpy()
    assert clicked[position <= 3].mean() > 2 * clicked[(position > 10) & (position <= 20)].mean()


def test_logged_propensities_are_those_of_the_draw():
    logits = np.tile(np.array([[1.0, 0.2, -0.5]]), (40_000, 1))
    order, probability = plackett_luce(logits, np.ones(logits.shape, bool), np.random.default_rng(0))
    slate = np.exp(logits[0, [2, 0, 1]])
    expected = slate[0] / slate.sum() * slate[1] / slate[1:].sum()
    chosen = (order == [2, 0, 1]).all(axis=1)
    assert chosen.mean() == pytest.approx(expected, abs=0.008)
    np.testing.assert_allclose(probability[chosen].prod(axis=1), expected)


def test_tags_follow_their_planted_tree_and_some_are_unknown(tmp_path):
    write_marketplace(SimulationSettings(requests=10, items=4000), tmp_path)
    items = pq.read_table(tmp_path / "items.parquet").to_pandas()
    tags = items[[name for name in items if name.startswith("tag_")]]
    assert tags.isna().mean().mean() == pytest.approx(0.1, abs=0.01)
    correlation = tags.astype(float).corr()
    assert correlation.loc["tag_handmade", "tag_vintage"] > 0.3
    assert correlation.loc["tag_sale", "tag_premium"] < -0.3
    image = Image.open(io.BytesIO(items["thumbnail"][0]))
    assert image.size == (8, 8)


def test_the_truth_beside_the_catalogue_agrees_with_what_is_known(tmp_path):
    files = write_marketplace(SimulationSettings(requests=10), tmp_path)
    known, truth = (pq.read_table(path).to_pandas().set_index("item_id") for path in (files.items, files.item_truth))
    tags = [name for name in known if name.startswith("tag_")]
    assert len(tags) == 8
    assert not truth.isna().any(axis=None)
    assert ((known[tags] == truth[tags]) | known[tags].isna()).all(axis=None)
    parameters = json.loads(files.parameters.read_text())
    assert np.shape(parameters["tag_fields"]) == (4, 8)
    assert parameters["settings"]["requests"] == 10


def test_the_truth_stands_row_by_row_beside_the_log(market):
    for name in ("request_id", "item_id"):
        assert market.truth[name].to_pylist() == market.log[name].to_pylist()
    frame = market.truth.to_pandas()
    wanted = frame.groupby("request_id")["relevant"].mean()
    assert wanted.between(0.24, 0.31).all()
    lowest = frame[frame["relevant"]].groupby("request_id")["utility"].min()
    highest = frame[~frame["relevant"]].groupby("request_id")["utility"].max()
    assert (lowest > highest).all()


def test_pictures_matter_beyond_what_the_log_shows(market):
    items = np.array([int(item[1:]) for item in market.truth["item_id"].to_pylist()])
    utility, digit = market.truth["utility"].to_numpy(), market.catalogue.digit[items]
    assert utility[digit == 0].mean() > utility[digit == 6].mean() + 0.5


def test_a_slate_of_unlike_items_earns_more_than_the_best_items_one_by_one(market):
    """The room that the marketplace leaves for choosing items one after another."""
    lists, relevant = lists_of(market), market.truth["relevant"].to_numpy().astype(float)
    utility, position = market.truth["utility"].to_numpy(), market.log["position"].to_numpy().astype(float)
    settings = SimulationSettings()
    unlike = np.empty(len(utility))
    for rows, similar in similar_pairs_by_list_size(lists, settings.similarity_quantile):
        for request, alike in zip(rows, similar, strict=True):
            unlike[request[independent_first(utility[request], relevant[request] > 0, alike)]] = -np.arange(
                len(request)
            )
    logged, pointwise, listwise = (
        clicks_on_first_places(lists, relevant, scores, settings) for scores in (-position, utility, unlike)
    )
    assert pointwise > 1.5 * logged
    assert listwise > 1.1 * pointwise


def independent_first(utility, relevant, alike):
    """Relevant items no two of which are alike come first: those like the fewest others before the rest."""
    chosen, left = [], np.flatnonzero(relevant)
    while len(left):
        item = left[np.argmin(alike[left][:, left].sum(axis=1))]
        chosen.append(item)
        left = left[(left != item) & ~alike[item, left]]
    rest = [item for item in np.argsort(-utility) if item not in chosen]
    return np.array([*chosen, *rest])


def clicks_on_first_places(lists, relevant, scores, settings, places=10, draws=4):
    """Clicks when each list is shown by descending scores and ends after `places` items."""
    order = lists.descending_order(scores)
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order)) - np.repeat(lists.offsets[:-1], lists.list_sizes)
    user = DiverseClicks(Cascade(settings.eta), settings.similarity_quantile)
    shown = relevant * (rank < places)
    return sum(clicks_on_order(user, lists, shown, scores, np.random.default_rng(d)).sum() for d in range(draws))


def lists_of(market):
    """The log as lists whose features are the styles that the simulated user compares."""
    log = market.log
    request = np.array(log["request_id"].to_pylist(), dtype=object)
    starts = np.flatnonzero(np.concatenate([[True], request[1:] != request[:-1]]))
    names = tuple(name for name in log.column_names if name.startswith("item_style_"))
    return RankingLists(
        request_ids=request[starts],
        offsets=np.array([*starts, len(log)], dtype=np.int64),
        item_ids=np.array(log["item_id"].to_pylist(), dtype=object),
        features=np.column_stack([log[name].to_numpy() for name in names]).astype(np.float32),
        feature_names=names,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": 30}, "max_candidates 40 and items 30"),
        ({"min_candidates": 50}, "min_candidates 50"),
        ({"requests": 0}, "requests is 0"),
        ({"relevant_share": 1.5}, "relevant_share is 1.5"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"eta": float("nan")}, "eta is nan"),
    ],
)
def test_settings_outside_their_range_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        SimulationSettings(**change)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_any_relevant_share_can_be_simulated(share):
    small = SimulationSettings(requests=5, items=40, min_candidates=40, relevant_share=share)
    relevant = simulate_marketplace(small).truth["relevant"].to_numpy()
    assert relevant.mean() == pytest.approx(max(share, 1 / 40))


@pytest.mark.parametrize("log_format", ["csv", "jsonl"])
def test_text_formats_hold_the_same_log(tmp_path, log_format):
    settings = SimulationSettings(requests=30)
    files = write_marketplace(settings, tmp_path, log_format)
    clean = validate(read_log([files.clicks])[0].table).clean
    expected = validate(simulate_marketplace(settings).log).clean
    assert clean["item_id"].to_pylist() == expected["item_id"].to_pylist()
    assert clean["timestamp"].to_pylist() == expected["timestamp"].to_pylist()
    np.testing.assert_allclose(clean["item_price"].to_numpy(), expected["item_price"].to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(clean["propensity"].to_numpy(), expected["propensity"].to_numpy(), rtol=1e-6)
