"""A click log that grows by days: windows, versions, midnight, held-out days."""

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.rolling_window import TITLES, step_seconds
from pipelines import ingest
from pipelines.config import DataConfig, load_config
from pipelines.ingest import prepare_log
from pipelines.readers import resolve_files
from pipelines.report.span_metrics import SpanOfRun
from seriatim_errors import ConfigError, DataError
from tests.pipelines.daily_logs import day, day_log, requests_of, spans_config, write_day


def prepared(root, config):
    return prepare_log(config, 0, root / "input")


def test_the_window_ends_with_the_newest_day_and_a_day_that_is_not_there_is_named(tmp_path):
    for number in (0, 1, 2, 4):
        write_day(tmp_path, number)
    log = prepared(tmp_path, spans_config(tmp_path))
    assert {name[:2] for name in set().union(*requests_of(log).values())} == {"d2", "d4"}
    assert (log.spans.first, log.spans.last, log.spans.missing) == ("2026-01-03", "2026-01-05", ("2026-01-04",))
    assert [one.day for one in log.spans.days] == ["2026-01-03", "2026-01-05"]
    assert log.spans.words == "2026-01-03 to 2026-01-05 (2 days to train on; not there: 2026-01-04)"


def test_a_named_last_day_ends_the_window_and_must_be_there(tmp_path):
    for number in range(4):
        write_day(tmp_path, number)
    files = resolve_files(spans_config(tmp_path, spans={"window": 2, "last": "2026-01-03"}))
    assert [file.parent.name for file in files.train] == ["2026-01-02", "2026-01-03"]
    with pytest.raises(DataError, match=r"last 2026-02-01: .*\(it has 4, from 2026-01-01 to 2026-01-04\)"):
        resolve_files(spans_config(tmp_path, spans={"window": 2, "last": "2026-02-01"}))


def test_without_any_day_the_layout_is_named(tmp_path):
    with pytest.raises(DataError, match=r"\{date\}/log.parquet: no day is there"):
        resolve_files(spans_config(tmp_path))


def test_of_a_day_the_highest_version_counts_by_number_and_not_by_spelling(tmp_path):
    for version in (2, 9, 10):
        write_day(tmp_path, 0, day_log(0, requests=version), version=version)
    write_day(tmp_path, 1, version=1)
    log = prepared(tmp_path, spans_config(tmp_path, "{date}/v{version}/log.parquet"))
    assert [(one.day, one.version) for one in log.spans.days] == [("2026-01-01", 10), ("2026-01-02", 1)]
    assert sum(log.requests.values()) == 10 + 20
    assert "later versions: 2026-01-01 v10" in log.spans.words


def test_one_version_under_two_names_is_refused(tmp_path):
    for version in ("7", "007"):
        write_day(tmp_path, 0, version=version)
    with pytest.raises(DataError, match="are both version 7 of 2026-01-01"):
        resolve_files(spans_config(tmp_path, "{date}/v{version}/log.parquet"))


def test_what_is_no_date_or_no_version_is_passed_over_and_told(tmp_path):
    write_day(tmp_path, 0, version=1)
    write_day(tmp_path, 0, version="final")
    write_day(tmp_path, 1, version=1, name="2026-13-01")
    write_day(tmp_path, 1, version=1, name=".2026-01-02")
    files = resolve_files(spans_config(tmp_path, "{date}/v{version}/log.parquet"))
    assert [span.day for span in files.window.spans] == [day(0)]
    assert [name.rsplit("/", 1)[-1] for name in files.passed_over] == ["vfinal", "2026-13-01"]


def test_a_day_may_have_several_files_and_the_date_may_stand_in_a_longer_name(tmp_path):
    for number in range(2):
        folder = tmp_path / "logs" / f"date={day(number)}"
        folder.mkdir(parents=True)
        for part in "ab":
            pa.parquet.write_table(day_log(f"{number}{part}", requests=5), folder / f"part-{part}.parquet")
        (folder / "_SUCCESS").touch()
    log = prepared(tmp_path, spans_config(tmp_path, "date={date}/part-*.parquet"))
    assert sum(log.requests.values()) == 20


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("*-{date}.csv", ["shop-2026-01-02.csv", "shop-of-shops-2026-01-02.csv"]),
        ("{date}-*.csv", ["2026-01-02-a.csv", "2026-01-02-a-b.csv"]),
        ("{date}*.csv", ["2026-01-02.csv", "2026-01-02b.csv"]),
        ("{date}/v{version}-*.csv", ["2026-01-02/v2-a.csv", "2026-01-02/v2-a-b.csv"]),
        ("{date}.v{version}.*", ["2026-01-02.v10.csv.gz"]),
    ],
)
def test_anything_else_in_a_name_may_stand_on_either_side_of_the_date_and_look_like_its_surroundings(
    tmp_path, layout, names
):
    for name in [*names, *(["2026-01-02.v2.csv"] if "v10" in names[0] else [])]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = resolve_files(DataConfig(path=tmp_path / layout, spans={"window": 1}))
    assert {str(file.relative_to(tmp_path)) for file in files.train} == set(names)
    assert files.passed_over == ()


def test_a_request_over_midnight_is_whole_and_an_item_that_is_sent_again_is_quarantined(tmp_path):
    evening, morning = day_log(0), day_log(1)
    # The last request of the first day has its third item in the second, where its second item stands once more.
    again, rest = evening.slice(58, 1), evening.slice(59, 1)
    write_day(tmp_path, 0, evening.slice(0, 59))
    second = write_day(tmp_path, 1, pa.concat_tables([morning, again, rest]))
    log = prepared(tmp_path, spans_config(tmp_path, max_bad_share=0.5))
    assert log.quarantined == {"the item stands twice in its request": 1}
    [bad] = pa.parquet.read_table(log.folder / "quarantine.parquet").to_pylist()
    assert (bad["quarantine_file"], bad["quarantine_row"]) == (str(second), 61)
    assert sum(log.rows.values()) == 120
    whole = pa.concat_tables([pa.parquet.read_table(log.folder / f"{split}.parquet") for split in ("train", "eval")])
    pairs = list(zip(whole["request_id"].to_pylist(), whole["item_id"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs) == 120
    assert {item for request, item in pairs if request == "d0r19"} == {"i0", "i1", "i2"}


def test_held_out_days_are_evaluated_on_and_a_request_over_the_border_stays_where_it_began(tmp_path):
    border = day_log(1)
    write_day(tmp_path, 0)
    write_day(tmp_path, 1, border.slice(0, 58))
    write_day(tmp_path, 2, pa.concat_tables([border.slice(58, 2), day_log(2)]))
    log = prepared(tmp_path, spans_config(tmp_path, spans={"window": 3, "evaluation": 1}))
    found = requests_of(log)
    assert found["eval"] == {f"d2r{number}" for number in range(20)}
    assert found["train"] == {f"d{number}r{request}" for number in (0, 1) for request in range(20)}
    assert log.quarantined == {}
    assert log.rows == {"train": 120, "eval": 60}
    assert log.spans.days[-1] == SpanOfRun(day="2026-01-03", held_out=True)
    assert log.spans.trained_until == "2026-01-02"


@settings(deadline=None, max_examples=15)
@given(days=st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=12), min_size=2, max_size=4))
def test_whatever_is_sent_again_every_request_and_item_is_there_once(tmp_path_factory, days):
    root = tmp_path_factory.mktemp("days")
    pool = day_log(0, requests=4)
    for number, rows in enumerate(days):
        write_day(root, number, pool.take(pa.array([0, *rows])))
    config = spans_config(root, spans={"window": len(days), "evaluation": 1}, max_bad_share=1.0)
    kept = {row for rows in days[:-1] for row in (0, *rows)}
    begun = {row // 3 for row in kept}
    held_out = {row for row in days[-1] if row // 3 not in begun}
    if not held_out:
        with pytest.raises(DataError, match="the eval split has no requests"):
            prepared(root, config)
        return
    log = prepared(root, config)
    assert log.rows == {"train": len(kept | {row for row in days[-1] if row // 3 in begun}), "eval": len(held_out)}
    assert sum(log.rows.values()) + sum(log.quarantined.values()) == sum(len(rows) + 1 for rows in days)


def test_days_of_other_columns_are_refused_by_file(tmp_path):
    write_day(tmp_path, 0)
    write_day(tmp_path, 1, day_log(1, affinity=None))
    with pytest.raises(DataError, match=r"'affinity' is in .*2026-01-01/log.parquet but not in .*2026-01-02"):
        prepared(tmp_path, spans_config(tmp_path))


def test_a_window_is_prepared_once_however_it_was_named_and_anew_when_it_moves_or_a_version_comes(tmp_path):
    layout = "{date}/v{version}/log.parquet"
    for number in range(3):
        write_day(tmp_path, number, version=1)
    first = prepared(tmp_path, spans_config(tmp_path, layout))
    named = spans_config(tmp_path, layout, spans={"window": 3, "last": "2026-01-03"})
    assert prepared(tmp_path, named) == first
    write_day(tmp_path, 3, version=1)
    moved = prepared(tmp_path, spans_config(tmp_path, layout))
    assert moved.fingerprint != first.fingerprint
    assert prepared(tmp_path, named) == first
    write_day(tmp_path, 2, version=2)
    assert prepared(tmp_path, named).fingerprint != first.fingerprint


def test_the_border_of_the_held_out_days_is_part_of_the_fingerprint(tmp_path):
    for number in range(3):
        write_day(tmp_path, number)
    fingerprints = {
        prepared(tmp_path, spans_config(tmp_path, spans={"window": 3, "evaluation": days})).fingerprint
        for days in range(3)
    }
    assert len(fingerprints) == 3


def test_a_window_needs_a_day_to_train_on(tmp_path):
    write_day(tmp_path, 0)
    with pytest.raises(DataError, match="only 1 to evaluate on are there and none to train on"):
        resolve_files(spans_config(tmp_path, spans={"window": 3, "evaluation": 1}))
    with pytest.raises(ValidationError, match="leaves no day of window"):
        spans_config(tmp_path, spans={"window": 2, "evaluation": 2})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"path": "logs/{date}/log.csv"}, "say with spans"),
        ({"path": "log.csv", "spans": {}}, r"spans needs \{date\} in path"),
        ({"path": "logs/v{version}.csv", "spans": {}}, r"without \{date\}"),
        ({"path": "{date}/{date}.csv", "spans": {}}, "2 times; keep one"),
        ({"path": "*/{date}/v{version}.csv", "spans": {}}, r"put them behind \{version\}"),
        ({"path": "logs/{date}", "spans": {"window": 99999}}, "less than or equal to 3660"),
        ({"path": "logs/{date}", "spans": {}, "click_window": float("inf")}, "less than or equal to"),
        ({"path": "logs/{date}", "spans": {}, "train": ["a"]}, "leave train and evaluation out"),
        ({"path": "logs/{date}", "spans": {}, "simulate": {}}, "simulate makes a log of one file"),
    ],
)
def test_a_layout_and_its_settings_must_fit(data, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(**data)


def test_a_date_that_is_none_is_refused_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: daily\ndata:\n  path: logs/{date}.csv\n  spans:\n    last: soon\n")
    with pytest.raises(ConfigError, match=r"line 5: data\.spans\.last"):
        load_config(path)


def test_the_steps_that_the_benchmark_of_windows_times_are_those_of_preparing_a_log(tmp_path):
    for number in range(3):
        write_day(tmp_path, number)
    before = {name: getattr(ingest, name) for name in TITLES}
    seconds = step_seconds(spans_config(tmp_path), tmp_path / "input")
    assert seconds.keys() == TITLES.keys()
    assert all(one > 0 for one in seconds.values())
    assert {name: getattr(ingest, name) for name in TITLES} == before
