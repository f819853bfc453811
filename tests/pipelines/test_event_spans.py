"""Windows of event logs: by the slates' times in one folder, or a folder a day with clicks that come late."""

import numpy as np
import pyarrow.parquet
import pytest

from pipelines.config import DataConfig
from pipelines.ingest import prepare_log
from pipelines.readers import resolve_files
from pipelines.readers.spans import midnight
from seriatim_errors import DataError
from serving.events import EventLog, FeatureNames
from tests.event_samples import acted, shown
from tests.pipelines.daily_logs import day, requests_of

SECOND = 1_000_000
HOUR = 3600 * SECOND


def slate(number, of_day, after=12 * HOUR, **changes):
    return shown(
        number, **{"items": 3, "propensities": (0.5, 0.5, 0.5), "time": midnight(day(of_day)) + int(after), **changes}
    )


def click(number, of_day, after=12 * HOUR + SECOND, **changes):
    return acted(number, time=midnight(day(of_day)) + int(after), **changes)


def append(folder, *events):
    log = EventLog(folder)
    log.append(events)
    log.close()


def clicks_of(prepared):
    """Which (request, item) were clicked."""
    rows = [row for split in ("train", "eval") for row in _rows(prepared, split)]
    return {(row["request_id"], row["item_id"]) for row in rows if row["clicked"]}


def _rows(prepared, split):
    return pyarrow.parquet.read_table(prepared.folder / f"{split}.parquet").to_pylist()


def by_time(folder, **spans):
    return DataConfig(path=folder, format="event_log", spans={"window": 2, "evaluation": 1, **spans})


def by_folder(root, **spans):
    return DataConfig(path=root / "{date}", format="event_log", spans={"window": 2, "evaluation": 1, **spans})


def test_one_folder_gives_windows_by_the_times_of_its_slates(tmp_path):
    events = tmp_path / "events"
    append(events, *(slate(number, number // 10) for number in range(40)))
    log = prepare_log(by_time(events), 0, tmp_path / "input")
    assert (log.spans.first, log.spans.last, log.spans.trained_until) == ("2026-01-03", "2026-01-04", "2026-01-03")
    assert requests_of(log) == {"train": {f"r{n}" for n in range(20, 30)}, "eval": {f"r{n}" for n in range(30, 40)}}
    earlier = prepare_log(by_time(events, last="2026-01-02"), 0, tmp_path / "input")
    assert requests_of(earlier)["eval"] == {f"r{n}" for n in range(10, 20)}
    with pytest.raises(DataError, match=r"event log .* has no such day"):
        resolve_files(by_time(events, last="2026-01-05"))


def test_days_begin_at_midnight_utc_and_a_click_after_it_belongs_to_its_slate(tmp_path):
    events = tmp_path / "events"
    append(events, slate(0, 0), slate(1, 0, 24 * HOUR - 1), slate(2, 1, 0), slate(3, 1, 24 * HOUR - 1), slate(4, 2, 0))
    append(events, click(1, 1, SECOND), click(3, 2, SECOND), click(0, 1))
    log = prepare_log(by_time(events, last="2026-01-02"), 0, tmp_path / "input")
    assert requests_of(log) == {"train": {"r0", "r1"}, "eval": {"r2", "r3"}}
    assert clicks_of(log) == {("r1", "i0"), ("r3", "i0")}


def test_a_folder_that_grows_by_other_days_leaves_a_window_as_it_was(tmp_path):
    events = tmp_path / "events"
    append(events, *(slate(number, number // 10) for number in range(30)))
    config = by_time(events, last="2026-01-02")
    first = prepare_log(config, 0, tmp_path / "input")
    append(events, *(slate(number, 3) for number in range(30, 40)))
    assert prepare_log(config, 0, tmp_path / "input") == first
    append(events, click(15, 1))
    late = prepare_log(config, 0, tmp_path / "input")
    assert late.fingerprint != first.fingerprint
    assert clicks_of(late) == {("r15", "i0")}


def test_a_request_that_was_first_shown_before_the_window_is_not_of_it(tmp_path):
    events = tmp_path / "events"
    append(events, slate(0, 0), slate(1, 1), slate(2, 2), slate(0, 2, event_id="again"))
    log = prepare_log(by_time(events), 0, tmp_path / "input")
    assert requests_of(log) == {"train": {"r1"}, "eval": {"r2"}}


def test_torn_lines_count_in_the_window_of_the_events_beside_them(tmp_path):
    events = tmp_path / "events"
    for number in range(4):
        append(events, *(slate(10 * number + one, number) for one in range(10)))
    oldest = min(events.glob("*.jsonl"))
    oldest.write_bytes(oldest.read_bytes() + b'{"torn\n' * 30)
    log = prepare_log(by_time(events), 0, tmp_path / "input")
    assert (sum(log.requests.values()), log.quarantined) == (20, {})
    with pytest.raises(DataError, match="30 of 90 rows are bad"):
        prepare_log(by_time(events, last="2026-01-02"), 0, tmp_path / "input")
    assert prepare_log(by_time(events), 0, tmp_path / "input").fingerprint == log.fingerprint


def test_a_window_is_prepared_anew_when_an_event_of_it_comes_again_and_not_when_one_of_another_day_does(tmp_path):
    events = tmp_path / "events"
    append(events, *(slate(number, number // 5) for number in range(20)))
    log = prepare_log(by_time(events), 0, tmp_path / "input")
    append(events, slate(3, 0, event_id="second"), click(4, 0, event_id="x"))
    same = prepare_log(by_time(events), 0, tmp_path / "input")
    assert (same.fingerprint, same.discarded) == (log.fingerprint, {})
    # Another writer, who knows nothing of the first.
    append(tmp_path / "other", slate(17, 3), slate(18, 3, event_id="another"), acted(99, time=midnight(day(3)) + HOUR))
    for file in (tmp_path / "other").glob("*.jsonl"):
        file.rename(events / f"9{file.name}")
    anew = prepare_log(by_time(events), 0, tmp_path / "input")
    assert anew.fingerprint != log.fingerprint
    assert anew.discarded == {
        "a click on what no slate of its request shows": 1,
        "a slate of a request that has one": 1,
        "an event that was there already": 1,
    }


def test_days_of_other_features_are_refused_by_folder(tmp_path):
    append(tmp_path / "2026-01-01", slate(0, 0))
    more = FeatureNames(("context_hour",), ("price", "quality", "age", "fresh"))
    append(tmp_path / "2026-01-02", slate(1, 1, names=more, features=np.zeros((3, 4), np.float32)))
    with pytest.raises(DataError, match=r"column 'fresh' is in .*2026-01-02 but not in .*2026-01-01"):
        prepare_log(by_folder(tmp_path), 0, tmp_path / "input")


def test_a_click_that_is_sent_to_two_days_folders_is_one(tmp_path):
    append(tmp_path / "2026-01-01", slate(0, 0), click(0, 0))
    append(tmp_path / "2026-01-02", slate(1, 1), click(0, 0))
    log = prepare_log(by_folder(tmp_path), 0, tmp_path / "input")
    assert clicks_of(log) == {("r0", "i0")}
    assert log.discarded == {"an event that was there already": 1}


def test_clicks_in_the_next_days_folder_are_joined_within_their_window_and_its_slates_are_not_read(tmp_path):
    append(tmp_path / "2026-01-01", slate(0, 0), slate(1, 0, 23.9 * HOUR))
    append(tmp_path / "2026-01-02", slate(2, 1, 23.9 * HOUR), slate(3, 1, 20 * HOUR), click(1, 1, 0.1 * HOUR))
    append(tmp_path / "2026-01-03", slate(4, 2), click(2, 2, 0.2 * HOUR), click(3, 2, 0.2 * HOUR))
    config = by_folder(tmp_path, last="2026-01-02")
    log = prepare_log(config, 0, tmp_path / "input")
    assert requests_of(log) == {"train": {"r0", "r1"}, "eval": {"r2", "r3"}}
    assert clicks_of(log) == {("r1", "i0"), ("r2", "i0")}
    assert log.discarded == {"a click after data.click_window": 1}
    append(tmp_path / "2026-01-03", click(3, 1, 20.5 * HOUR, event_id="late"))
    again = prepare_log(config, 0, tmp_path / "input")
    assert again.fingerprint != log.fingerprint
    assert clicks_of(again) == {("r1", "i0"), ("r2", "i0"), ("r3", "i0")}


def test_as_many_folders_are_looked_into_for_late_clicks_as_the_click_window_reaches(tmp_path):
    for number in range(5):
        append(tmp_path / day(number).isoformat(), slate(number, number))
    append(tmp_path / "2026-01-04", click(1, 3))
    config = by_folder(tmp_path, last="2026-01-02")
    assert [file.name for file in resolve_files(config).late] == ["2026-01-03"]
    patient = config.model_copy(update={"click_window": 3 * 86400.0})
    assert [file.name for file in resolve_files(patient).late] == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert clicks_of(prepare_log(patient, 0, tmp_path / "input")) == {("r1", "i0")}


def test_a_slate_that_was_sent_again_on_the_next_day_counts_once_on_the_first(tmp_path):
    append(tmp_path / "2026-01-01", slate(0, 0), slate(1, 0))
    append(tmp_path / "2026-01-02", slate(1, 0), slate(0, 1, event_id="other", item_ids=("x", "y", "z")), slate(2, 1))
    log = prepare_log(by_folder(tmp_path), 0, tmp_path / "input")
    assert requests_of(log) == {"train": {"r0", "r1"}, "eval": {"r2"}}
    assert log.rows == {"train": 6, "eval": 3}


def test_a_day_of_replays_alone_and_one_of_clicks_alone_add_no_rows(tmp_path):
    append(tmp_path / "2026-01-01", slate(0, 0), slate(1, 0))
    append(tmp_path / "2026-01-02", slate(1, 0), slate(0, 0))
    append(tmp_path / "2026-01-03", click(1, 0))
    append(tmp_path / "2026-01-04", slate(4, 3))
    log = prepare_log(by_folder(tmp_path, window=4), 0, tmp_path / "input")
    assert requests_of(log) == {"train": {"r0", "r1"}, "eval": {"r4"}}
    assert clicks_of(log) == {("r1", "i0")}
    assert len(log.spans.days) == 4
