"""Objects of a store over the real protocol: mirrored when they change, errors told in a sentence, bundles whole."""

import shutil
import socket

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml
from click.testing import CliRunner
from pyarrow import fs

from pipelines.commands.validate import validate
from pipelines.config import PipelineConfig
from pipelines.locations import Location
from pipelines.locations.mirror import local_copy
from pipelines.pushed_bundles import PushedBundles
from pipelines.remote_inputs import with_local_inputs
from pipelines.report.run_folders import CONFIG_FILE
from pipelines.run import run
from pipelines.simulation import SimulationSettings, write_marketplace
from seriatim_errors import BundleError, DataError
from serving.bundle import open_bundle
from tests.pipelines.logs import small_log
from tests.pipelines.small_pipeline import told_to
from tests.pipelines.store_servers import store_server
from tests.planted_bundles import VERSION, planted_bundle

LOG = {
    "logs/day=1/part.csv": b"one",
    "logs/day=2/part.csv": b"two",
    "logs/day=2/notes.md": b"three",
    "other.csv": b"four",
}


# What does not hang on the protocol is looked at with one of them.
in_s3_alone = pytest.mark.parametrize("server", ["s3"], indirect=True)


@pytest.fixture(scope="module", params=["s3", "gs"])
def server(request):
    with store_server(request.param) as started:
        yield started


@pytest.fixture
def store(server, monkeypatch):
    """The server with the bucket above and nothing else, and the environment that leads to it."""
    server.reset()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.store.create_dir("bucket")
    for key, content in LOG.items():
        server.put(f"bucket/{key}", content)
    return server


def mirror(location, root, *patterns, **how):
    """Mirror to `root`; returns the copy, what lies in that bucket's mirror by path, and what was told."""
    said, location = [], Location(location)
    path = local_copy(location, root, patterns, say=said.append, **how)
    folder = root / location.scheme / location.bucket
    files = {file.relative_to(folder).as_posix(): file for file in root.rglob("*") if file.is_file()}
    return path, {name: file.read_bytes() for name, file in files.items()}, said


def test_only_what_changed_is_fetched_again_and_what_is_gone_disappears(store, tmp_path):
    path, files, said = mirror(f"{store.bucket}", tmp_path)
    assert path == tmp_path / store.scheme / "bucket"
    assert files == LOG
    assert "4 objects, of which 4 are new or changed" in said[0]
    assert "of which 0 are new or changed" in mirror(f"{store.bucket}", tmp_path)[2][0]
    store.put("bucket/logs/day=1/part.csv", b"one more")
    store.store.delete_file("bucket/other.csv")
    (tmp_path / store.scheme / "bucket/logs/day=2/part.csv").write_bytes(b"edited")
    (tmp_path / store.scheme / "bucket/logs/.half.partial").write_bytes(b"a killed run's")
    _, files, said = mirror(f"{store.bucket}", tmp_path)
    assert "3 objects, of which 2 are new or changed" in said[0]
    assert files == {**{name: LOG[name] for name in LOG if name != "other.csv"}, "logs/day=1/part.csv": b"one more"}


def test_one_object_is_mirrored_alone_and_a_folder_may_take_its_place(store, tmp_path):
    path, files, _ = mirror(f"{store.bucket}/other.csv", tmp_path)
    assert path.read_bytes() == b"four"
    assert list(files) == ["other.csv"]
    store.store.delete_file("bucket/other.csv")
    store.put("bucket/other.csv/now/below", b"five")
    assert mirror(f"{store.bucket}/other.csv", tmp_path)[1] == {"other.csv/now/below": b"five"}


def test_patterns_and_braces_choose_from_the_listing(store, tmp_path):
    files = mirror(f"{store.bucket}/logs", tmp_path, "*/part.csv")[1]
    assert set(files) == {"logs/day=1/part.csv", "logs/day=2/part.csv"}
    path, files, _ = mirror(f"{store.bucket}/logs/day={{date}}/part.csv", tmp_path)
    assert path == tmp_path / store.scheme / "bucket/logs/day={date}/part.csv"
    assert set(files) == {"logs/day=1/part.csv", "logs/day=2/part.csv"}
    assert set(mirror(f"{store.bucket}/logs/{{date}}", tmp_path, "notes.md")[1]) == {"logs/day=2/notes.md"}
    beside = mirror(f"{store.bucket}/logs/day=2/part.csv", tmp_path, beside=["*.md"])[1]
    assert set(beside) == {"logs/day=2/part.csv", "logs/day=2/notes.md"}
    with pytest.raises(DataError, match=r"no object matches \*\.parquet; correct the key or the patterns"):
        mirror(f"{store.bucket}/logs", tmp_path, "*.parquet")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("bucket/nowhere", "/nowhere does not exist; correct the key"),
        ("no-such-bucket/logs", "there is no bucket 'no-such-bucket'"),
        ("bucket", "'bucket/odd' in the store is an object and has others below"),
    ],
)
def test_what_is_not_there_is_told_by_name(store, tmp_path, place, said):
    store.put("bucket/odd", b"object")
    store.put("bucket/odd/below", b"object")
    with pytest.raises(DataError) as refused:
        local_copy(Location(f"{store.scheme}://{place}"), tmp_path)
    assert said in str(refused.value)


@in_s3_alone
def test_without_rights_or_a_server_the_way_out_is_told(store, tmp_path, monkeypatch):
    store.tell("moto-api/reset-auth", "0")
    try:
        with pytest.raises(DataError, match=r"access is denied; give credentials .* by AWS_ACCESS_KEY_ID"):
            local_copy(Location("s3://bucket/logs"), tmp_path)
    finally:
        store.tell("moto-api/reset-auth", "1000000")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"s3://bucket/logs?endpoint_override=127.0.0.1:{nobody.getsockname()[1]}&scheme=http"
        with pytest.raises(DataError, match="the store cannot be reached; check the network, the endpoint"):
            local_copy(Location(place), tmp_path)


@in_s3_alone
def test_a_query_names_another_endpoint_and_public_buckets_need_no_keys(store, tmp_path, monkeypatch):
    for name in store.environment:
        monkeypatch.delenv(name)
    settings = f"endpoint_override={store.address}&region=us-east-1&anonymous=true"
    assert set(mirror(f"s3://bucket/logs?{settings}", tmp_path, "*/notes.md")[1]) == {"logs/day=2/notes.md"}


@in_s3_alone
def test_the_inputs_of_a_run_become_their_mirrors_with_the_files_that_their_readers_need(store, tmp_path):
    store.put("bucket/logs/train.txt", b"1 1:0.5\n")
    store.put("bucket/logs/train.txt.query", b"1\n")
    store.put("bucket/items.csv", b"item_id,tag_a\ni0,1\n")
    config = PipelineConfig(
        name="demo", run_root=tmp_path, labeller={},
        data={"path": "s3://bucket/logs/train.txt", "format": "lightgbm", "items": "s3://bucket/items.csv"},
    )  # fmt: skip
    for _ in range(2):
        local = with_local_inputs(config, lambda message: None)
        assert local.data.path.local == tmp_path / "demo/remote/log/s3/bucket/logs/train.txt"
        assert local.data.path.local.with_name("train.txt.query").read_bytes() == b"1\n"
        assert local.data.items.local.read_bytes().startswith(b"item_id")
    unused = config.model_copy(update={"labeller": None})
    assert with_local_inputs(unused, lambda message: None).data.items == Location("s3://bucket/items.csv")


@in_s3_alone
def test_validate_reads_a_log_in_a_store(store, tmp_path):
    pa.parquet.write_table(small_log(), tmp_path / "log.parquet")
    store.put("bucket/log.parquet", (tmp_path / "log.parquet").read_bytes())
    answer = CliRunner().invoke(validate, ["s3://bucket/log.parquet"])
    assert answer.exit_code == 0, answer.output
    assert "accepted: 12 of 12 rows" in answer.output
    assert isinstance(CliRunner().invoke(validate, ["s3://bucket/none"]).exception, DataError)
    assert "hdfs:// is not read" in CliRunner().invoke(validate, ["hdfs://bucket/none"]).output


def pushed(store, machine, said=None, bucket="bucket"):
    """What the pipeline has pushed, seen from one of the machines that it runs on."""
    config = PipelineConfig(
        name="planted", run_root=machine, bundle_root=f"{store.scheme}://{bucket}/models", data={"path": "log.csv"}
    )
    return PushedBundles(config, (said if said is not None else []).append), config.bundle_folder


def test_a_bundle_reaches_another_machine_whole(store, tmp_path):
    here, folder = pushed(store, tmp_path / "here")
    assert here.versions == []
    shutil.copytree(planted_bundle(tmp_path / "made").folder, folder / VERSION)
    said = []
    pushed(store, tmp_path / "here", said)[0].send(VERSION)
    assert said == [f"bundle {VERSION} is in {store.bucket}/models/planted"]
    there, other = pushed(store, tmp_path / "there")
    assert there.versions == [VERSION]
    assert there.manifest(VERSION) == open_bundle(folder / VERSION).manifest
    assert not other.exists()
    assert there.fetched(VERSION).folder == other / VERSION
    assert open_bundle(other / VERSION).manifest == open_bundle(folder / VERSION).manifest
    there.send(VERSION)
    manifest = other / VERSION / "manifest.json"
    manifest.write_text(manifest.read_text().replace("planted", "another"))
    with pytest.raises(BundleError, match="holds another bundle of that version"):
        there.send(VERSION)


def test_half_a_bundle_is_none_and_is_completed_later(store, tmp_path, monkeypatch):
    here, folder = pushed(store, tmp_path / "here")
    shutil.copytree(planted_bundle(tmp_path / "made").folder, folder / VERSION)
    copied, whole = [], shutil.copyfileobj

    def breaking(content, sent):
        copied.append(content.name)
        if len(copied) == 3:
            raise OSError("AWS Error NETWORK_CONNECTION during UploadPart operation")
        whole(content, sent)

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "copyfileobj", breaking)
        with pytest.raises(DataError, match="the store cannot be reached"):
            here.send(VERSION)
    assert pushed(store, tmp_path / "there")[0].versions == []
    store.put(f"bucket/models/planted/{VERSION}/manifest.json", b"")
    assert pushed(store, tmp_path / "there")[0].versions == []
    pushed(store, tmp_path / "here")[0].send(VERSION)
    there, other = pushed(store, tmp_path / "there")
    assert there.fetched(VERSION).folder == other / VERSION


def test_a_damaged_bundle_in_the_store_is_refused(store, tmp_path):
    here, folder = pushed(store, tmp_path / "here")
    shutil.copytree(planted_bundle(tmp_path / "made").folder, folder / VERSION)
    here.send(VERSION)
    store.put(f"bucket/models/planted/{VERSION}/base_ranker/model.txt", b"altered")
    there, other = pushed(store, tmp_path / "there")
    with pytest.raises(BundleError, match="does not match its checksum"):
        there.fetched(VERSION)
    assert not (other / VERSION).exists()


@pytest.mark.slow
@in_s3_alone
def test_a_run_reads_a_log_in_a_store_and_another_machine_compares_with_what_it_pushed_there(store, tmp_path):
    made = write_marketplace(SimulationSettings(requests=240, seed=1), tmp_path, "parquet")
    store.put("bucket/market/clicks.parquet", made.clicks.read_bytes())
    config = PipelineConfig(
        name="small", run_root=tmp_path / "here", bundle_root="s3://bucket/models", gate=None, seq2slate=None,
        data={"path": "s3://bucket/market/clicks.parquet"}, base_ranker={"trees": 10, "folds": 2},
        evaluation={"bootstrap_samples": 100, "model_analysis": False, "blessing_margin": 1.0},
    )  # fmt: skip
    cached = {}
    first = run(config, told_to(cached))
    assert first.bundle.parent == tmp_path / "here/small/bundles"
    assert not any(cached.values())
    assert yaml.safe_load((first.folder / CONFIG_FILE).read_text())["data"]["path"] == str(config.data.path)
    again = run(config, told_to(cached))
    assert all(cached.values())
    assert again.bundle == first.bundle
    elsewhere = config.model_copy(update={"run_root": tmp_path / "there", "seed": 1})
    found = run(elsewhere, told_to(cached))
    assert found.metrics.blessing.against == "baseline"
    assert (found.folder / "bundles" / first.bundle.name / "manifest.json").exists()
    pushed_there = store.store.get_file_info(fs.FileSelector("bucket/models/small"))
    assert {one.base_name for one in pushed_there} == {first.bundle.name, found.bundle.name}


def test_bundles_for_a_bucket_that_is_not_there_stop_the_run_at_its_start(store, tmp_path):
    with pytest.raises(DataError, match=r".*://nowhere/models/planted: there is no bucket 'nowhere'"):
        pushed(store, tmp_path, bucket="nowhere")
