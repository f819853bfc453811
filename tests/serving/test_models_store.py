"""Which bundles are loaded, which are refused, and who ranks what."""

import json
import shutil
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriatim_errors import BundleError
from serving.bundle.manifest import MANIFEST_FILE
from serving.models import ModelStore, Traffic, TrafficError, in_share
from serving.models.store import ModelState
from serving.models.traffic import TRAFFIC_FILE
from serving.runtime import InvalidRequestError
from tests.serving.small_bundles import make_bundle, make_query

V1, V2, V3 = (f"2024010{day}T000000Z-00000000" for day in (1, 2, 3))
FILES = ["base_ranker/model.txt", "gate/model.onnx", "seq2slate/model.onnx", "golden_requests.npz", MANIFEST_FILE]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three bundles to copy from."""
    root = tmp_path_factory.mktemp("made")
    return {version: make_bundle(root, version).folder for version in (V1, V2, V3)}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


@pytest.fixture
def opened():
    """Starts stores and closes them."""
    stores = []

    def open_store(root, **options):
        # Looks are asked for by the tests themselves.
        stores.append(ModelStore(root, poll_seconds=3600, **options))
        stores[-1].start()
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def put(made, root, *versions):
    for version in versions:
        shutil.copytree(made[version], root / version)


def states(store):
    return {status.version: status.state for status in store.statuses()}


def test_the_newest_bundle_is_served_and_a_newer_one_taken_up(made, root, opened):
    put(made, root, V1)
    store = opened(root)
    assert store.choose("r").version == V1
    put(made, root, V2)
    store.refresh()
    assert store.choose("r").version == V2
    assert set(store.loaded) == {V1, V2}
    put(made, root, V3)
    store.refresh()
    assert set(store.loaded) == {V2, V3}
    assert states(store) == {V1: ModelState.KNOWN, V2: ModelState.READY, V3: ModelState.READY}


@pytest.mark.parametrize("file", FILES)
def test_a_corrupted_bundle_is_refused_by_name_while_the_old_one_serves_on(made, root, opened, file, caplog):
    put(made, root, V1)
    store = opened(root)
    put(made, root, V2)
    path = root / V2 / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    store.refresh()
    assert store.choose("r").version == V1
    [refused] = [status for status in store.statuses() if status.state is ModelState.REFUSED]
    assert (refused.version, file.split("/")[0].split(".")[0] in refused.refusal) == (V2, True)
    store.refresh()
    assert caplog.text.count("is refused") == 1


def test_a_half_written_bundle_takes_no_traffic_until_it_is_whole(made, root, opened):
    put(made, root, V1)
    store = opened(root)
    shutil.copytree(made[V2], root / f".partial-{V2}")
    shutil.copytree(made[V2], root / V2, ignore=shutil.ignore_patterns(MANIFEST_FILE))
    store.refresh()
    assert store.choose("r").version == V1
    shutil.copy(made[V2] / MANIFEST_FILE, root / V2)
    (root / V2 / "gate" / "model.onnx").rename(root / "kept.onnx")
    store.refresh()
    assert store.choose("r").version == V1
    assert "model.onnx is missing" in store.statuses()[-1].refusal
    (root / "kept.onnx").rename(root / V2 / "gate" / "model.onnx")
    manifest = root / V2 / MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    store.refresh()
    assert store.choose("r").version == V2


@pytest.mark.parametrize(
    ("change", "message"), [({"schema_version": 2}, "schema_version is 2"), ({"version": V3}, f"holds version '{V3}'")]
)
def test_an_incompatible_bundle_is_refused_with_its_reason(made, root, opened, change, message):
    put(made, root, V1, V2)
    path = root / V2 / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    store = opened(root)
    assert store.choose("r").version == V1
    assert message in store.statuses()[-1].refusal


def test_without_any_sound_bundle_the_store_does_not_start(made, root, opened):
    with pytest.raises(BundleError, match="no bundle under"):
        opened(root)
    put(made, root, V1)
    (root / V1 / "gate" / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"no sound bundle under .*model.onnx is missing"):
        opened(root)


def test_an_emptied_folder_changes_nothing(made, root, opened):
    put(made, root, V1)
    store = opened(root)
    shutil.rmtree(root / V1)
    store.refresh()
    assert store.choose("r").version == V1


def test_one_bundle_alone_is_served_whatever_else_is_there(made, root, opened):
    put(made, root, V1, V2)
    (root / TRAFFIC_FILE).write_text("nonsense")
    store = opened(root, only=V1)
    assert store.choose("r").version == V1
    with pytest.raises(TrafficError, match="started with one bundle"):
        store.set_traffic(Traffic(stable=V2))


def test_a_canary_gets_its_share_and_always_the_same_requests(made, root, opened):
    put(made, root, V1, V2)
    store = opened(root)
    store.set_traffic(Traffic(stable=V1, canary=V2, canary_share=0.2))
    ids = [f"request-{number}" for number in range(4000)]
    chosen = {name: store.choose(name).version for name in ids}
    assert Counter(chosen.values())[V2] == pytest.approx(800, abs=110)
    assert chosen == {name: store.choose(name).version for name in ids}
    store.set_traffic(Traffic(stable=V1, canary=V2, canary_share=0.5))
    assert all(store.choose(name).version == V2 for name, version in chosen.items() if version == V2)
    assert {status.version: status.requests for status in store.statuses()}[V2] > 1600


def test_a_shadow_sees_its_share_and_answers_nobody(made, root, opened):
    put(made, root, V1, V2)
    store = opened(root)
    assert store.shadow("r") is None
    store.set_traffic(Traffic(stable=V2, shadow=V1, shadow_share=1))
    assert store.shadow("r").version == V1
    assert store.choose("r").version == V2


def test_a_pinned_version_must_be_loaded(made, root, opened):
    put(made, root, V1, V2)
    store = opened(root)
    assert store.choose("r", V2).version == V2
    for version in (V1, "../secret", "/etc", V2 + "/..", "\x00"):
        with pytest.raises(InvalidRequestError, match=f"is not loaded; give one of {V2}") as caught:
            store.choose("r", version)
        assert caught.value.field == "bundle_version"


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ({"stable": "absent"}, "version 'absent' is not under"),
        ({"stable": "../bundles/" + V1}, "is not under"),
        ({"canary": V2, "canary_share": 1.5}, "canary_share: 1.5; give 0 to 1"),
        ({"canary": V2, "canary_share": float("nan")}, "canary_share: nan"),
        ({"shadow_share": 0.1}, "shadow_share: 0.1 without a shadow"),
        ({"canary": V3, "canary_share": 0.1}, f"version '{V3}' was refused: .*model.onnx is missing"),
    ],
)
def test_rules_that_cannot_be_change_nothing(made, root, opened, traffic, message):
    put(made, root, V1, V2, V3)
    (root / V3 / "gate" / "model.onnx").unlink()
    store = opened(root)
    with pytest.raises(TrafficError, match=message):
        store.set_traffic(Traffic(**traffic))
    assert store.traffic == Traffic()
    assert store.choose("r").version == V2
    assert not (root / TRAFFIC_FILE).exists()


def test_rules_reach_the_other_processes_and_the_next_start(made, root, opened):
    put(made, root, V1, V2)
    one, other = opened(root), opened(root)
    one.set_traffic(Traffic(stable=V1))
    other.refresh()
    assert other.choose("r").version == V1
    assert opened(root).choose("r").version == V1


def test_going_back_from_a_bad_newest_version_takes_the_one_before_at_once(made, root, opened):
    put(made, root, V1)
    store = opened(root)
    put(made, root, V2)
    store.refresh()
    assert store.roll_back() == Traffic(stable=V1)
    assert store.choose("r").version == V1
    put(made, root, V3)
    store.refresh()
    assert store.choose("r").version == V1
    assert store.roll_back() == Traffic()
    assert store.choose("r").version == V3


def test_with_nothing_before_going_back_says_so(made, root, opened):
    put(made, root, V1)
    with pytest.raises(TrafficError, match="nothing to go back to"):
        opened(root).roll_back()


@pytest.mark.parametrize("content", ["{", '{"traffic": {"stable": 3}}', '{"traffic": {"canary_share": 7}}', "[]"])
def test_malformed_rules_stop_a_start_and_do_not_touch_a_running_service(made, root, opened, content):
    put(made, root, V1, V2)
    store = opened(root)
    store.set_traffic(Traffic(stable=V1))
    (root / TRAFFIC_FILE).write_text(content)
    with pytest.raises(TrafficError, match=r"\.traffic\.json holds no traffic rules"):
        store.refresh()
    assert store.choose("r").version == V1
    with pytest.raises(TrafficError, match="mend or remove it"):
        opened(root)


def test_a_swap_under_load_loses_no_request_and_mixes_no_versions(made, root, opened):
    put(made, root, V1)
    store, stop, answers = opened(root), threading.Event(), []
    query = make_query(8)

    def load():
        while not stop.is_set():
            model = store.choose("r")
            answers.append((model.version, model.ranker.rank(query).version))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in (V2, V3):
        put(made, root, version)
        store.refresh()
    store.roll_back()
    stop.set()
    for thread in threads:
        thread.join()
    assert all(chosen == ranked for chosen, ranked in answers)
    assert {chosen for chosen, _ in answers} >= {V1, V2}


def test_the_watching_thread_takes_up_a_new_bundle_and_ends_with_the_store(made, root):
    put(made, root, V1)
    taken_up, before = threading.Event(), set(threading.enumerate())
    store = ModelStore(root, poll_seconds=0.01, changed=lambda version: version == V2 and taken_up.set())
    store.start()
    shutil.copytree(made[V2], root / f".partial-{V2}")
    (root / f".partial-{V2}").rename(root / V2)
    assert taken_up.wait(60)
    assert "model-watcher" in {thread.name for thread in set(threading.enumerate()) - before}
    store.close()
    assert "model-watcher" not in {thread.name for thread in set(threading.enumerate()) - before}


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_every_smaller_one(request_id, one, other):
    small, large = sorted((one, other))
    assert in_share(request_id, large, "canary") or not in_share(request_id, small, "canary")
    assert in_share(request_id, 1.0, "canary")
    assert not in_share(request_id, 0.0, "canary")


def test_shares_are_of_the_right_size_and_independent_of_one_another():
    ids = [f"request-{number}" for number in range(20_000)]
    canary = [in_share(name, 0.3, "canary") for name in ids]
    shadow = [in_share(name, 0.3, "shadow") for name in ids]
    both = sum(a and b for a, b in zip(canary, shadow, strict=True))
    assert sum(canary) == pytest.approx(6000, abs=300)
    assert both == pytest.approx(1800, abs=200)


def test_a_sound_version_waits_for_what_it_reads_and_is_asked_for_again_at_every_look(made, root, caplog):
    lacking, asked = {V2}, []

    def accept(model):
        asked.append(model)
        if model.version in lacking:
            raise BundleError("the store lacks feature 'price'")

    put(made, root, V1)
    store = ModelStore(root, poll_seconds=3600, accept=accept)
    store.start()
    try:
        put(made, root, V2)
        store.refresh()
        store.refresh()
        assert store.choose("r").version == V1
        assert "lacks feature 'price'" in store.statuses()[-1].refusal
        assert caplog.text.count("is refused") == 1
        lacking.clear()
        store.refresh()
        assert store.choose("r").version == V2
        # Loaded once, asked for three times.
        assert len({id(model) for model in asked if model.version == V2}) == 1
        assert len(asked) == 4
    finally:
        store.close()
