"""`seriatim features`: a bundle's items in the terminal, and in a real Redis."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import redis
from click.testing import CliRunner

from seriatim_errors import BundleError, ConfigError, DataError, ServiceError
from serving.bundle import ItemFeaturesEntry, Manifest, open_bundle, write_bundle
from serving.commands.features import features
from serving.features import LmdbStore
from serving.features.item_keys import item_key
from serving.features.redis_loading import BATCH, LOCK_KEY, Loaded, load_redis
from serving.features.redis_store import RedisStore
from tests.free_port import free_port
from tests.serving.feature_files import FEATURES, IDS, MATRIX, NAMES, look_up, write_small
from tests.serving.redis_servers import running_redis

PATIENT_MS = 5000
LONG = "x" * 700


@pytest.fixture(scope="module")
def featured(bundle, tmp_path_factory):
    """The small bundle with the features of three items."""
    root = tmp_path_factory.mktemp("featured")
    files = {name: bundle.folder / name for name in bundle.manifest.files if name != "golden_requests.npz"}
    files["item_features/data.mdb"] = write_small(root / "data.mdb")
    changes = {
        "files": {},
        "features": bundle.manifest.features.model_copy(update={"defaults": FEATURES.defaults}),
        "item_features": ItemFeaturesEntry(file="item_features/data.mdb", items=len(IDS)),
    }
    manifest = bundle.manifest.model_copy(update=changes)
    return open_bundle(write_bundle(root / "bundles", manifest, files, bundle.golden()))


@pytest.fixture
def server():
    with running_redis() as started:
        yield started


def seriatim(*arguments, **environment):
    command = [sys.executable, "-m", "seriatim", "features", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**clean_environment(), **environment}
    )


def clean_environment():
    return {name: value for name, value in os.environ.items() if name != "SERIATIM_REDIS_URL"} | {"COLUMNS": "120"}


@contextlib.contextmanager
def stored(path, *contents):
    """An open store of `contents`: ids, matrix, names."""
    store = LmdbStore(write_small(path, *contents))
    yield store
    store.close_now()


def looked_up(url, prefix, ids, features=FEATURES):
    async def ask():
        store = RedisStore(url, prefix, PATIENT_MS)
        try:
            return await store.lookup(ids, features)
        finally:
            await store.close()

    return asyncio.run(ask())


def test_what_was_loaded_is_looked_up_as_from_the_file(server, tmp_path):
    rng = np.random.default_rng(0)
    ids = [LONG, "__schema__", "é", *(f"i{row}" for row in range(2 * BATCH))]
    matrix = rng.normal(size=(len(ids), 3)).astype(np.float32)
    seen = []
    with stored(tmp_path / "data.mdb", ids, matrix) as store:
        assert load_redis(store, server.url, "seriatim", seen.append) == Loaded(len(ids), 0)
        expected = look_up(store, ids)
    found = looked_up(server.url, "seriatim", ids)
    assert found.known.all()
    assert found.matrix.tobytes() == expected.matrix.tobytes() == matrix.tobytes()
    assert seen == [BATCH, 2 * BATCH, len(ids)]
    assert not looked_up(server.url, "another", ids).known.any()


def test_the_same_columns_are_replaced_in_place_and_other_items_stay(server, tmp_path):
    with stored(tmp_path / "data.mdb") as store:
        load_redis(store, server.url, "seriatim")
    with stored(tmp_path / "new.mdb", ("a", "d"), 10 * MATRIX[[0, 2]]) as store:
        assert load_redis(store, server.url, "seriatim") == Loaded(2, 0)
    found = looked_up(server.url, "seriatim", ["a", "c", "d"])
    assert found.matrix.tolist() == [[10, 20, 30], [7, 8, 9], [70, 80, 90]]


def test_other_columns_take_the_old_rows_away_and_nothing_else(server, tmp_path):
    with redis.Redis(port=server.port) as client:
        client.set("seriatim2:a", "another's")
        client.set("seriatim", "another's")
    with stored(tmp_path / "data.mdb") as store:
        load_redis(store, server.url, "seriatim")
    with stored(tmp_path / "new.mdb", ("a",), MATRIX[:1], NAMES[::-1]) as store:
        assert load_redis(store, server.url, "seriatim") == Loaded(1, 3)
    found = looked_up(server.url, "seriatim", ["a", "b", "c"])
    assert found.matrix[0].tolist() == [3, 2, 1]
    assert found.known.tolist() == [True, False, False]
    with redis.Redis(port=server.port) as client:
        assert {key for key in client.scan_iter() if not key.startswith(b"seriatim:")} == {b"seriatim2:a", b"seriatim"}
        assert not client.exists(b"seriatim:" + LOCK_KEY)


def test_a_load_with_other_columns_that_fails_half_way_leaves_no_row_to_be_misread(server, tmp_path):
    """Redis takes no more memory in the middle: the old schema is gone, the new one not there yet."""
    with stored(tmp_path / "data.mdb") as store:
        load_redis(store, server.url, "seriatim")
    ids, names = [f"i{row}" for row in range(20_000)], ("age", "quality", "price")
    with stored(tmp_path / "new.mdb", ids, np.ones((len(ids), 3), np.float32), names) as store:
        with redis.Redis(port=server.port) as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
        with pytest.raises(ServiceError, match=r"Redis at 127.0.0.1:\d+/0: .*maxmemory.*then load again"):
            load_redis(store, server.url, "seriatim")
        assert not looked_up(server.url, "seriatim", ["i0", "a"]).known.any()
        with redis.Redis(port=server.port) as client:
            assert client.exists("seriatim:i0")
            client.config_set("maxmemory", 0)
        load_redis(store, server.url, "seriatim")
    assert looked_up(server.url, "seriatim", ["i0", "a"]).known.tolist() == [True, False]


def test_two_loads_at_a_time_are_refused(server, tmp_path):
    with redis.Redis(port=server.port) as client, stored(tmp_path / "data.mdb") as store:
        client.set(b"seriatim:" + LOCK_KEY, "another's", ex=60)
        with pytest.raises(ServiceError, match="another load under prefix 'seriatim' is under way"):
            load_redis(store, server.url, "seriatim")
        assert client.get(b"seriatim:" + LOCK_KEY) == b"another's"
        assert not client.exists("seriatim:a")
        load_redis(store, server.url, "elsewhere")


def test_no_password_is_shown_when_redis_refuses_it(tmp_path):
    with running_redis("--requirepass", "s3cret") as server, stored(tmp_path / "data.mdb") as store:
        url = f"redis://:wr0ng@127.0.0.1:{server.port}/0"
        with pytest.raises(ServiceError, match="AuthenticationError") as caught:
            load_redis(store, url, "seriatim")
        assert "wr0ng" not in str(caught.value)
        load_redis(store, url.replace("wr0ng", "s3cret"), "seriatim")


def test_the_command_loads_a_bundle_and_says_what_it_did(featured, server):
    finished = seriatim("load", "--bundle", featured.folder, "--redis", server.url)
    assert (finished.returncode, finished.stdout) == (0, "3 items with 3 features under prefix 'seriatim'\n")
    assert looked_up(server.url, "seriatim", IDS).known.all()


def test_the_address_may_come_from_the_environment(featured, server):
    finished = seriatim("load", "--bundle", featured.folder, "--prefix", "shop", SERIATIM_REDIS_URL=server.url)
    assert finished.returncode == 0
    assert looked_up(server.url, "shop", IDS).known.all()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (["--redis", "redis://127.0.0.1:{port}/0"], ServiceError, "Redis at 127.0.0.1:{port}/0: ConnectionError"),
        (["--redis", "http://:s3cret@127.0.0.1"], ConfigError, "the address of Redis cannot be read"),
        (["--prefix", "a:b"], ConfigError, "prefix 'a:b'"),
    ],
)
def test_a_users_mistake_is_told_in_one_line(featured, options, kind, message):
    port = free_port()
    finished = seriatim("load", "--bundle", featured.folder, *(option.format(port=port) for option in options))
    assert finished.returncode == kind.exit_code
    assert message.format(port=port) in finished.stderr
    assert not {"Traceback", "s3cret"} & set(finished.stderr.replace(":", " ").replace("@", " ").split())


def test_items_are_shown_with_the_defaults_of_unknown_ones(featured):
    finished = seriatim("show", "a", "no[bold]body", "--bundle", featured.folder)
    assert finished.returncode == 0, finished.stderr
    rows = [line.replace("│", " ").split() for line in finished.stdout.splitlines()]
    assert ["price", "1", "9.5"] in rows
    assert ["age", "3", "-1"] in rows
    assert "no[bold]body (unknown)" in finished.stdout
    assert "the features of unknown items are the bundle's defaults" in finished.stdout


def test_showing_nothing_that_is_known_is_an_error(featured, bundle):
    finished = seriatim("show", "z", "--bundle", featured.folder)
    assert finished.returncode == DataError.exit_code
    assert "none of 'z' is known" in finished.stderr
    finished = seriatim("show", "z", "--bundle", bundle.folder)
    assert finished.returncode == BundleError.exit_code
    assert "holds no item features" in finished.stderr


def test_what_the_newest_bundle_reads_is_listed_in_its_order(featured):
    finished = CliRunner().invoke(features, ["list", "--bundles", str(featured.folder.parent)])
    assert finished.exit_code == 0, finished.output
    rows = [line.replace("│", " ").split() for line in finished.output.splitlines() if line.startswith("│")]
    read = featured.manifest.features
    assert [row[:2] for row in rows] == [[str(column), name] for column, name in enumerate(read.names)]
    assert [row[3:] for row in rows] == [[]] * len(read.context) + [
        [f"{read.defaults.get(name, 0):g}"] for name in read.item
    ]
    assert f"bundle {featured.folder.name}: base_ranker" in finished.output


def test_a_bundle_whose_item_features_are_missing_or_altered_does_not_open(featured, tmp_path):
    folder = shutil.copytree(featured.folder, tmp_path / featured.folder.name)
    file = folder / "item_features" / "data.mdb"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"data.mdb does not match its checksum"):
        open_bundle(folder)


def test_checking_a_bundle_opens_its_item_features(featured, tmp_path):
    def check(folder):
        command = [sys.executable, "-m", "serving.check", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert check(featured.folder).returncode == 0
    files = {name: featured.folder / name for name in featured.manifest.files if name != "golden_requests.npz"}
    files["item_features/data.mdb"] = write_small(tmp_path / "data.mdb", names=("price", "quality", "colour"))
    unsealed = featured.manifest.model_copy(update={"files": {}})
    refused = check(write_bundle(tmp_path / "bundles", unsealed, files, featured.golden()))
    assert refused.returncode == BundleError.exit_code
    assert "data.mdb holds no feature 'age'" in refused.stderr


def test_item_features_that_are_not_among_the_files_are_refused(bundle, featured, tmp_path):
    files = {name: bundle.folder / name for name in bundle.manifest.files if name != "golden_requests.npz"}
    with pytest.raises(BundleError, match=r"item_features names item_features/data.mdb, which is not given"):
        write_bundle(tmp_path, featured.manifest.model_copy(update={"files": {}}), files, bundle.golden())


def test_a_manifest_without_item_features_reads_as_before(bundle):
    values = json.loads(bundle.manifest.model_dump_json())
    del values["item_features"]
    assert Manifest.model_validate(values) == bundle.manifest


def test_a_text_that_no_encoding_takes_is_a_key_all_the_same():
    assert item_key("\ud800") == "\ud800".encode("utf-8", "surrogatepass")


def test_keys_in_redis_are_the_prefix_and_the_items_key(server, tmp_path):
    with stored(tmp_path / "data.mdb", ("a", LONG, "b"), MATRIX) as store:
        load_redis(store, server.url, "seriatim")
    with redis.Redis(port=server.port) as client:
        assert client.get("seriatim:a") == MATRIX[0].tobytes()
        assert client.get(b"seriatim:" + item_key(LONG)) == MATRIX[1].tobytes()
        assert b'"format":"seriatim-features-1"' in client.get("seriatim:__schema__")
