"""The service's event log is a click log."""

import numpy as np
import pytest

from pipelines.click_log import validate
from pipelines.readers import read_log
from pipelines.readers.event_log import EventJoin
from seriatim_errors import DataError
from serving.events import EventLog, FeatureNames
from tests.event_samples import acted, shown

SECOND = 1_000_000


@pytest.fixture
def log(tmp_path):
    opened = EventLog(tmp_path)
    yield opened
    opened.close()


def read(folder, **join):
    [one] = read_log([folder], "event_log", EventJoin(**join))
    return one


def test_every_item_shown_is_one_row_with_its_click_and_exact_features(tmp_path, log):
    slates = [shown(number, items=3, policy="epsilon", propensities=(0.25, 0.5, None)) for number in range(4)]
    log.append([*slates, acted(1), acted(2, item_id="i2"), acted(3, action="view")])
    table = read(tmp_path).table
    validated = validate(table)
    assert len(validated.quarantine) == 0
    rows = validated.clean.to_pandas()
    assert rows["clicked"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert rows["propensity"].tolist() == [0.25, 0.5, 1.0] * 4
    assert rows["position"].tolist() == [1, 2, 3] * 4
    assert validated.columns.context == ("context_hour",)
    assert validated.columns.candidate == ("price", "quality", "age")
    np.testing.assert_array_equal(
        rows[["price", "quality", "age"]].to_numpy(), np.concatenate([slate.features for slate in slates])
    )
    assert rows["timestamp"].iloc[0].value // 1000 == slates[0].time


def test_features_may_be_called_like_anything(tmp_path, log):
    names = FeatureNames(("hour",), ("part", "shown_at", "row"))
    log.append([shown(1, names=names), acted(1)])
    table = read(tmp_path).table
    assert {"part", "shown_at", "row", "context_hour"} <= set(table.column_names)
    np.testing.assert_array_equal(np.column_stack([table[name] for name in names.item]), shown(1).features)
    assert table["clicked"].to_pylist() == [1, 0]


def test_a_deterministic_slate_has_propensity_1_whatever_its_model_thought(tmp_path, log):
    log.append([shown(1, policy="greedy", propensities=(0.3, None))])
    assert read(tmp_path).table["propensity"].to_pylist() == [1.0, 1.0]


def test_a_callers_slates_keep_what_the_caller_said(tmp_path, log):
    log.append([shown(1, propensities=(0.3, 0.4))])
    assert read(tmp_path).table["propensity"].to_pylist() == [0.3, 0.4]
    log.append([shown(2, propensities=(None, None))])
    assert read(tmp_path).table["propensity"].to_pylist() == [0.3, 0.4, None, None]


def test_without_any_propensity_there_is_no_such_column(tmp_path, log):
    log.append([shown(1, propensities=(None, None), user_id="")])
    assert not {"propensity", "user_id"} & set(read(tmp_path).table.column_names)


@pytest.mark.parametrize(("after", "clicked"), [(-1, 0), (0, 1), (60 * SECOND, 1), (60 * SECOND + 1, 0)])
def test_a_click_counts_within_its_window(tmp_path, log, after, clicked):
    slate = shown(1)
    log.append([slate, acted(1, time=slate.time + after)])
    found = read(tmp_path, window_seconds=60)
    assert found.table["clicked"].to_pylist() == [clicked, 0]
    refused = [] if clicked else ["a click before its slate" if after < 0 else "a click after data.click_window"]
    assert found.discarded["reason"].to_pylist() == refused


def test_clicks_without_a_slate_are_discarded_by_name(tmp_path, log):
    log.append([shown(1), acted(1, item_id="elsewhere"), acted(2)])
    found = read(tmp_path)
    assert found.table["clicked"].to_pylist() == [0, 0]
    assert [(row["event_id"], row["item_id"]) for row in found.discarded.to_pylist()] == [
        ("click-1", "elsewhere"), ("click-2", "i0")
    ]  # fmt: skip
    assert set(found.discarded["reason"].to_pylist()) == {"a click on what no slate of its request shows"}
    assert set(found.discarded["file"].to_pylist()) == {str(tmp_path)}


def test_a_second_slate_of_a_request_is_discarded_by_name(tmp_path, log):
    log.append([shown(1), shown(1, event_id="again", items=3), acted(1)])
    found = read(tmp_path)
    assert found.table["item_id"].to_pylist() == ["i0", "i1"]
    [row] = found.discarded.to_pylist()
    assert (row["event_id"], row["item_id"], row["reason"]) == ("again", None, "a slate of a request that has one")


def test_another_action_may_be_the_click(tmp_path, log):
    log.append([shown(1), acted(1, action="purchase")])
    assert read(tmp_path, click_action="purchase").table["clicked"].to_pylist() == [1, 0]


def test_replays_count_once(tmp_path, log):
    log.append([shown(1), acted(1)])
    log.close()
    for copy in range(2):
        other = EventLog(tmp_path / f"other{copy}")
        other.append([shown(1), acted(1), acted(1, event_id="again")])
        other.close()
        for path in (tmp_path / f"other{copy}").glob("*.jsonl"):
            path.rename(tmp_path / f"copy{copy}-{path.name}")
    table = read(tmp_path).table
    assert (len(table), table["clicked"].to_pylist()) == (2, [1, 0])


def test_a_request_that_was_shown_twice_keeps_its_first_slate(tmp_path, log):
    log.append([shown(1), shown(1, event_id="by-the-caller", item_ids=("x", "y"))])
    assert read(tmp_path).table["item_id"].to_pylist() == ["i0", "i1"]


def test_slates_of_bundles_with_other_features_stand_side_by_side(tmp_path, log):
    other = shown(2, names=FeatureNames(("hour",), ("price",)), features=np.ones((2, 1), np.float32))
    log.append([shown(1), other])
    table = read(tmp_path).table
    assert {"price", "quality", "context_hour"} <= set(table.column_names)
    assert table["quality"].to_pylist()[2:] == [None, None]
    assert table["price"].to_pylist()[2:] == [1.0, 1.0]


def test_broken_lines_are_malformed_lines(tmp_path, log):
    log.append([shown(1), acted(1)])
    log.close()
    [path] = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"click-1", b"click-7"))
    log = read(tmp_path)
    assert log.malformed["line"].to_pylist() == [3]
    assert log.table["clicked"].to_pylist() == [0, 0]


def test_a_folder_without_slates_is_named(tmp_path, log):
    log.append([acted(1)])
    with pytest.raises(DataError, match="holds no slates"):
        read(tmp_path)
