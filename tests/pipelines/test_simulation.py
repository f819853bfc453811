"""The simulated marketplace: seeded, within the contract, and true to its own description."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.click_log import validate
from pipelines.simulation import SimulationSettings, simulate_marketplace, write_marketplace
from pipelines.simulation.marketplace import plackett_luce


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


@pytest.mark.parametrize("log_format", ["csv", "jsonl"])
def test_text_formats_hold_the_same_log(tmp_path, log_format):
    from pipelines.readers import read_log

    settings = SimulationSettings(requests=30)
    files = write_marketplace(settings, tmp_path, log_format)
    clean = validate(read_log([files.clicks])[0].table).clean
    expected = validate(simulate_marketplace(settings).log).clean
    assert clean["item_id"].to_pylist() == expected["item_id"].to_pylist()
    assert clean["timestamp"].to_pylist() == expected["timestamp"].to_pylist()
    np.testing.assert_allclose(clean["item_price"].to_numpy(), expected["item_price"].to_numpy(), rtol=1e-6)
