"""Locations keep what was given, URLs with all their slashes; patterns ask a listing for what they ask a folder for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from pipelines.config import DataConfig, load_config
from pipelines.locations import Location
from pipelines.locations.mirror import fetch_object
from pipelines.locations.name_patterns import wanted_names
from pipelines.locations.stores import plainly_told
from seriatim_errors import ConfigError, DataError

NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PATTERNS = st.lists(st.sampled_from(["*", "**", "a", "a*", "*.b", "?", "[ab]*"]), min_size=1, max_size=3).map("/".join)
MINIMAL = "name: demo\ndata:\n  path: {}\nimages: null\nbundle_root: {}\nrun_root: {}\n"


@given(PATHS, st.sampled_from(["s3", "gs"]))
def test_a_url_is_kept_as_given_through_configuration_and_json(path, scheme):
    text = f"{scheme}://bucket/{path}"
    data = DataConfig(path=text)
    assert str(data.path) == text
    assert DataConfig.model_validate_json(data.model_dump_json()) == data
    assert f"{data.path.scheme}://{data.path.bucket}/{data.path.key}" == text
    assert str(data.path / "more") == f"{text}/more"
    assert not data.path.is_local
    with pytest.raises(DataError, match="is not on this machine"):
        _ = data.path.local


def test_settings_stay_behind_what_is_joined():
    location = Location("s3://b/logs/?endpoint_override=localhost:9000&scheme=http") / "day=1"
    assert str(location) == "s3://b/logs/day=1?endpoint_override=localhost:9000&scheme=http"
    assert (location.bucket, location.key) == ("b", "logs/day=1")
    assert location.settings == {"endpoint_override": "localhost:9000", "scheme": "http"}


def test_local_ones_are_paths():
    assert Location("file:///tmp/my%20logs").local == Path("/tmp/my logs")
    assert str(Location("file:///tmp/logs") / "a") == "/tmp/logs/a"
    assert Location("logs").seen_from(Path("/srv")).local == Path("/srv/logs")
    assert Location("/logs").seen_from(Path("/srv")).local == Path("/logs")
    assert Location("s3://b").seen_from(Path("/srv")) == Location("s3://b")


@pytest.mark.parametrize(
    ("path", "bundles", "runs", "said"),
    [
        ("hdfs://host/logs", "b", "r", r"line 3: data.path: .*hdfs:// is not read; give a local path, file://, s3://"),
        ("s3:///logs", "b", "r", "line 3: data.path: .*names no bucket"),
        ("s3://key:secret@b/logs", "b", "r", "line 3: data.path: .*holds credentials"),
        ("s3://b/logs?timeout=3", "b", "r", "line 3: data.path: .*setting 'timeout' is not known"),
        ("file://other/logs", "b", "r", "line 3: data.path: .*names another machine"),
        ("file:///logs/day#1.csv", "b", "r", "line 3: data.path: .*write them as %3F and %23"),
        ("3", "b", "r", "line 3: data.path: .*give a path, or a URL"),
        ("logs", "ftp://b", "r", "line 5: bundle_root: .*ftp:// is not read"),
        ("logs", "b", "s3://b/runs", "line 6: run_root: .*this must lie on this machine; give a local path"),
    ],
)
def test_a_wrong_location_is_named_with_its_line(tmp_path, path, bundles, runs, said):
    config = tmp_path / "config.yaml"
    config.write_text(MINIMAL.format(path, bundles, runs))
    with pytest.raises(ConfigError, match=said):
        load_config(config)


def test_a_remote_log_is_not_simulated():
    with pytest.raises(ValueError, match="set simulate to null"):
        DataConfig(path="s3://b/clicks.parquet", simulate={})


def test_bundles_of_a_remote_root_are_pushed_into_the_run_folder_first(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(MINIMAL.format("log.csv", "gs://models/all", "file:///srv/runs"))
    loaded = load_config(config)
    assert loaded.bundle_folder == Path("/srv/runs/demo/bundles")
    assert load_config(config, {"bundle_root": "here"}).bundle_folder == Path("here/demo")


@given(st.sets(PATHS, max_size=8), st.lists(PATTERNS, min_size=1, max_size=2))
def test_patterns_ask_a_listing_for_what_pathlib_finds_in_a_folder(tmp_path_factory, names, patterns):
    # A name that others lie below is a folder, as in a file system.
    names = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    folder = tmp_path_factory.mktemp("tree")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = [path for pattern in patterns for path in folder.glob(pattern) if path != folder or pattern == "**"]
    inside = {file for path in found for file in [path, *path.rglob("*")] if file.is_file()}
    assert wanted_names(names, patterns, ()) == {file.relative_to(folder).as_posix() for file in inside}


def test_companions_come_with_the_files_beside_them_alone():
    names = ["a/part.txt", "a/part.txt.query", "b/part.txt", "b/other.query", "a/notes"]
    assert wanted_names(names, ["a/*.txt"], ["*.query"]) == {"a/part.txt", "a/part.txt.query"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "google::cloud::Status(PERMISSION_DENIED: no)"),
            "access is denied; .* GOOGLE_APPLICATION",
        ),
        (
            FileNotFoundError(2, "google::cloud::Status(NOT_FOUND: ListObjects"),
            "there is no bucket 'b'",
        ),
        (OSError("google::cloud::Status(UNAVAILABLE: no)"), "the store cannot be reached"),
        (OSError("AWS Error UNKNOWN (HTTP status 301)"), "a bucket lies in another region; set AWS_REGION"),
        (OSError("something new"), "gs://b/k: the store answers: something new"),
    ],
)
def test_what_a_store_says_becomes_a_sentence_with_a_way_out(error, said):
    with pytest.raises(DataError, match=said), plainly_told(Location("gs://b/k")):
        raise error


def test_what_this_machine_says_of_itself_stays_what_it_is():
    with pytest.raises(OSError, match="No space left"), plainly_told(Location("s3://b/k")):
        raise OSError(28, "No space left on device")


def test_a_copy_that_cannot_be_written_is_told_by_its_place(tmp_path):
    source, place = tmp_path / "source", tmp_path / "file"
    source.write_bytes(b"content")
    place.touch()
    store = fs.LocalFileSystem()
    with pytest.raises(DataError, match=r"cannot be mirrored to .*file/below: .*; make room or rename"):
        fetch_object(Location("s3://b/k"), store, store.get_file_info(str(source)), place / "below")
