"""The event log keeps what it acknowledged, once."""

import os
import random
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError
from serving.events import EventLog, EventLogError, read_events
from serving.events.records import fields_of, line_of, unpacked
from tests.event_samples import NAMES, acted, shown

WRITER = """
import sys
from pathlib import Path
from serving.events import EventLog
from tests.event_samples import acted, shown
log, start = EventLog(Path(sys.argv[1]), rotate_bytes=4096), int(sys.argv[2])
print("ready", flush=True)
for number in range(start, start + 100_000):
    log.append([shown(number), acted(number)])
    print(number, flush=True)
"""
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from serving.events import EventLog, EventLogError
from tests.event_samples import acted, shown
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = EventLog(Path(sys.argv[1]))
log.append([acted(0)])
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
failed = 0
for number in range(1, 40):
    try:
        log.append([shown(number), acted(number)])
    except EventLogError as error:
        failed += 1
        message = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append([acted(99)])
log.close()
print(failed, message)
"""


def ids(folder):
    read = read_events(folder)
    return [fields["event_id"] for fields in (*read.shown, *read.acted)]


@pytest.fixture
def log(tmp_path):
    opened = EventLog(tmp_path / "log")
    yield opened
    opened.close()


def test_what_was_appended_is_read_with_exact_features(tmp_path, log):
    events = [shown(1), acted(1), shown(2, items=5, slate_propensity=0.25, policy="epsilon")]
    assert log.append(events).recorded == 3
    read = read_events(tmp_path / "log")
    assert [fields["event_id"] for fields in read.shown] == ["slate:r1", "slate:r2"]
    assert read.acted[0]["action"] == "click"
    for fields, event in zip(read.shown, (events[0], events[2]), strict=True):
        names = read.names[fields["names"]]
        assert names == NAMES
        np.testing.assert_array_equal(unpacked(fields["features"], len(names.item)), event.features)
        np.testing.assert_array_equal(unpacked(fields["context"], len(names.context))[0], event.context)
        assert fields["propensities"] == list(event.propensities)
        assert fields["user_id"] == "u\u00e9"
    assert (read.repeated, read.broken) == ([], [])


def test_an_event_that_is_sent_again_is_recorded_once(tmp_path, log):
    assert log.append([acted(1), acted(1), acted(2)]).__dict__ == {"recorded": 2, "duplicates": 1}
    assert log.append([acted(2), acted(3)]).__dict__ == {"recorded": 1, "duplicates": 1}
    log.close()
    again = EventLog(tmp_path / "log")
    assert again.append([acted(3)]).duplicates == 1
    again.close()
    assert ids(tmp_path / "log") == ["click-1", "click-2", "click-3"]


def test_an_event_by_way_of_two_processes_is_read_once(tmp_path, log):
    other = EventLog(tmp_path / "log")
    assert log.append([acted(1)]).recorded == 1
    assert other.append([acted(1), acted(2)]).recorded == 2
    other.close()
    assert sorted(ids(tmp_path / "log")) == ["click-1", "click-2"]
    assert len(read_events(tmp_path / "log").repeated) == 1


def test_files_are_closed_by_size_and_by_age(tmp_path):
    now = [1000.0]
    log = EventLog(tmp_path, rotate_bytes=500, rotate_seconds=60, clock=lambda: now[0])
    for number in range(10):
        log.append([acted(number)])
    closed = list(tmp_path.glob("*.jsonl"))
    assert len(closed) >= 2
    now[0] += 59
    log.rotate_if_due()
    assert len(list(tmp_path.glob("*.open"))) == 1
    now[0] += 2
    log.rotate_if_due()
    assert list(tmp_path.glob("*.open")) == []
    log.close()
    assert len(ids(tmp_path)) == 10


def test_a_living_writers_file_is_left_alone(tmp_path, log):
    log.append([acted(1)])
    other = EventLog(tmp_path / "log")
    assert len(list((tmp_path / "log").glob("*.open"))) == 1
    log.append([acted(2)])
    other.close()
    assert ids(tmp_path / "log") == ["click-1", "click-2"]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_log_cut_anywhere_keeps_its_whole_lines_and_is_mended(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    log = EventLog(folder)
    for number in range(5):
        log.append([shown(number), acted(number)])
    log.close()
    [path] = folder.glob("*.jsonl")
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    tail = data.draw(st.sampled_from([b"", bytes(50), b"\xff{\n", bytes(20) + b"\n"]))
    path.unlink()
    path.with_name(path.name + ".open").write_bytes(content[:cut] + tail)
    whole = [fields_of(line) for line in content[:cut].split(b"\n")[:-1]]
    expected = [fields["event_id"] for fields in whole if "event_id" in fields]
    mended = EventLog(folder)
    mended.append([acted(77)])
    mended.close()
    assert sorted(ids(folder)) == sorted([*expected, "click-77"])
    assert list(folder.glob("*.open")) == []
    assert read_events(folder).broken == []


def test_a_broken_line_in_the_middle_is_named_and_the_rest_is_read(tmp_path, log):
    for number in range(3):
        log.append([acted(number)])
    log.close()
    [path] = (tmp_path / "log").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"click-1", b"click-9")
    path.write_bytes(b"".join(lines))
    read = read_events(tmp_path / "log")
    assert [fields["event_id"] for fields in read.acted] == ["click-0", "click-2"]
    assert [(one.file, one.number) for one in read.broken] == [(path, 2)]


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    )
)
def test_a_line_holds_what_was_put_into_it(fields):
    fields = {"v": 1, **fields}
    line = line_of(fields)
    assert line.count(b"\n") == 1
    assert fields_of(line[:-1]) == fields
    assert fields_of(line[:-2]) is None


def test_threads_may_append_at_once_also_to_the_disk(tmp_path):
    log = EventLog(tmp_path, rotate_bytes=3000, to_disk=True)
    threads = [
        threading.Thread(target=lambda part=part: [log.append([acted(100 * part + step)]) for step in range(20)])
        for part in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(set(ids(tmp_path))) == 160


def test_a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_room(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    failed, message = finished.stdout.split(" ", 1)
    assert int(failed) > 20
    assert "File too large; nothing was recorded, make room" in message
    kept = ids(tmp_path)
    assert len(kept) == 2 * (39 - int(failed)) + 2
    assert {"click-0", "click-99"} <= set(kept)
    assert read_events(tmp_path).broken == []


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EventLogError, match=r"event log .*file: (File exists|Not a directory)"):
        EventLog(tmp_path / "file")
    with pytest.raises(DataError, match="give the folder of an event log"):
        read_events(tmp_path / "absent")


@pytest.mark.slow
def test_a_writer_killed_20_times_loses_no_acknowledged_event_and_doubles_none(tmp_path):
    rng, acknowledged, start = random.Random(0), set(), 0
    for _ in range(20):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(start)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        last = start - 1
        for _ in range(rng.randint(1, 400)):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        # What was acknowledged before the kill reached it counts too.
        rest = process.stdout.read().split("\n")[:-1]
        process.wait()
        last = int(rest[-1]) if rest else last
        acknowledged |= {f"click-{number}" for number in range(start, last + 1)}
        acknowledged |= {f"slate:r{number}" for number in range(start, last + 1)}
        start = last  # The client sends the last one again, not knowing that it was recorded.
    EventLog(tmp_path).close()
    kept = ids(tmp_path)
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))
    assert read_events(tmp_path).broken == []
