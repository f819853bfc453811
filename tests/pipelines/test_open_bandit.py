"""The Open Bandit Dataset: impressions with propensities, and the features of what was not shown."""

import numpy as np
import pytest

from pipelines.click_log import validate
from pipelines.readers import read_log
from pipelines.readers.open_bandit import read_campaign
from seriatim_errors import DataError

LOG = """,timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0,user-item_affinity_1
11,2019-11-24 00:00:00.4+00:00,1,3,0,0.5,aa,0.25,0.75
12,2019-11-24 00:00:01+00:00,0,1,1,0.5,bb,0.5,0.125
"""
ITEMS = """,item_id,item_feature_0,item_feature_1
0,1,-0.5,red
1,0,1.5,blue
"""


@pytest.fixture
def campaign_folder(tmp_path):
    (tmp_path / "women.csv").write_text(LOG)
    (tmp_path / "item_context.csv").write_text(ITEMS)
    return tmp_path


def test_a_row_becomes_a_request_with_the_item_shown(campaign_folder):
    validated = validate(read_log([campaign_folder], "open_bandit")[0].table)
    assert validated.reasons == {}
    row = validated.clean.to_pylist()[0]
    assert (row["item_id"], row["position"], row["clicked"], row["propensity"]) == ("1", 3, 0, 0.5)
    assert row["timestamp"].isoformat() == "2019-11-24T00:00:00.400000"
    features = {name: row[name] for name in validated.columns.names}
    assert features == {
        "context_user_feature_0=aa": 1,
        "context_user_feature_0=bb": 0,
        "item_feature_0": -0.5,
        "item_feature_1=blue": 0,
        "item_feature_1=red": 1,
        "affinity": 0.75,
    }


def test_features_of_all_actions_follow_the_names_and_contain_the_row_shown(campaign_folder):
    campaign = read_campaign(campaign_folder / "women.csv")
    names = ["affinity", "item_feature_0", "context_user_feature_0=bb"]
    features = campaign.action_features(["1", "0"], names)
    np.testing.assert_array_equal(features, [[[0.5, 1.5, 1], [0.125, -0.5, 1]], [[0.25, 1.5, 0], [0.75, -0.5, 0]]])
    with pytest.raises(DataError, match="feature 'colour' is not one of this campaign's"):
        campaign.action_features(["0"], ["colour"])


def test_bad_rows_are_left_to_validation(campaign_folder):
    path = campaign_folder / "women.csv"
    path.write_text(LOG + "13,whenever,0,2,0,0.5,aa,0,0\n14,2019-11-24,0,2,5,0,aa,0,0\n15,2019-11-24,0,,0,1,aa,0,0\n")
    validated = validate(read_log([path], "open_bandit")[0].table)
    assert validated.reasons == {
        "timestamp is missing or unreadable": 1,
        "clicked is not 0 or 1": 1,
        "position is missing": 1,
    }


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("women.csv", LOG.replace("click", "tap"), "column 'click' is missing"),
        ("women.csv", LOG.replace("affinity_1", "affinity_7"), "column 'user-item_affinity_1' is missing"),
        ("women.csv", LOG.replace("+00:00,1,3", "+00:00,9,3"), "item_id 9 is not in"),
        ("women.csv", "", "women.csv is not a readable CSV file"),
        ("item_context.csv", ITEMS.replace("item_id", "sku"), "column 'item_id' is missing"),
        ("men.csv", LOG, "expected one log CSV beside item_context.csv, found 2"),
    ],
)
def test_files_that_do_not_fit_are_named(campaign_folder, file, content, message):
    (campaign_folder / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_log([campaign_folder], "open_bandit")


def test_a_missing_item_file_is_named(campaign_folder):
    (campaign_folder / "item_context.csv").unlink()
    with pytest.raises(DataError, match=r"item_context\.csv is missing"):
        read_log([campaign_folder / "women.csv"], "open_bandit")


@pytest.mark.real_data
def test_open_bandit_reads_with_true_propensities_and_all_actions(public_data):
    folder = public_data / "open_bandit" / "random" / "women"
    validated = validate(read_log([folder], "open_bandit")[0].table)
    assert len(validated.clean) == 10_000
    np.testing.assert_allclose(validated.clean["propensity"].to_numpy(), 1 / 46)
    assert validated.clean["clicked"].to_numpy().mean() == pytest.approx(0.0046)
    requests = validated.clean["request_id"].to_pylist()[:50]
    campaign = read_campaign(folder)
    features = campaign.action_features(requests, validated.columns.names)
    assert features.shape == (50, 46, len(validated.columns.names))
    shown = [int(item) for item in validated.clean["item_id"].to_pylist()[:50]]
    logged = np.column_stack([validated.clean[name].to_numpy()[:50] for name in validated.columns.names])
    np.testing.assert_array_equal(features[np.arange(50), shown], logged)
