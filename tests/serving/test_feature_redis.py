"""Item features in a real Redis: looked up, and done without while it is away, hangs or holds the wrong thing."""

import asyncio
import logging

import numpy as np
import pytest
import redis

from seriatim_errors import BundleError, ConfigError
from serving.bundle import Features
from serving.features.circuit_breaker import CircuitBreaker
from serving.features.item_keys import item_key
from serving.features.redis_address import RedisAddress
from serving.features.redis_store import RedisStore
from serving.features.schema import StoreSchema
from tests.free_port import free_port
from tests.serving.feature_files import DEFAULTS, FEATURES, IDS, MATRIX, NAMES, Clock
from tests.serving.redis_servers import running_redis

PREFIX = "shop"
PAUSE = 10.0
# Far more than an answer takes, even on a busy machine.
PATIENT_MS = 5000
HURRIED_MS = 1000
PASSWORD = "s3cret/word"


@pytest.fixture
def server():
    with running_redis() as started:
        yield started


@pytest.fixture
def clock():
    return Clock()


def fill(server, names=NAMES, matrix=MATRIX, **connection):
    """Write what `seriatim features load` would, the schema included."""
    with redis.Redis(port=server.port, **connection) as client:
        for item_id, row in zip(IDS, matrix, strict=True):
            client.set(f"{PREFIX}:".encode() + item_key(item_id), row.astype("<f4").tobytes())
        client.set(f"{PREFIX}:__schema__", StoreSchema.of(names, len(IDS)).serialised())


def made(url, clock, timeout_ms=PATIENT_MS):
    return RedisStore(
        url, PREFIX, timeout_ms, CircuitBreaker(failures=2, pause=PAUSE, longest_pause=PAUSE, clock=clock)
    )


def with_store(store, work):
    """Run `await work(store)` and close the store, in one event loop."""

    async def run():
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def looked_up(store, ids, features=FEATURES):
    return with_store(store, lambda opened: opened.lookup(ids, features))


def test_items_are_found_and_unknown_ones_get_defaults(server, clock):
    fill(server)
    found = looked_up(made(server.url, clock), ["c", "unheard of", "a"])
    assert found.matrix.dtype == np.float32
    assert found.matrix.tolist() == [[7, 8, 9], DEFAULTS, [1, 2, 3]]
    assert found.known.tolist() == [True, False, True]


def test_a_value_that_redis_does_not_have_gets_the_default(server, clock):
    fill(server)
    assert looked_up(made(server.url, clock), ["b"]).matrix.tolist() == [[4, 0, 6]]


def test_columns_are_found_by_name_for_each_bundle(server, clock):
    fill(server)

    async def both(store):
        return [await store.lookup(["a"], Features(item=item)) for item in (("age", "price"), NAMES[::-1])]

    reordered, reversed_ = with_store(made(server.url, clock), both)
    assert reordered.matrix.tolist() == [[3, 1]]
    assert reversed_.matrix.tolist() == [[3, 2, 1]]


def test_a_row_of_another_length_is_an_unknown_item(server, clock):
    fill(server)
    with redis.Redis(port=server.port) as client:
        client.set(f"{PREFIX}:b", b"\0" * 8)
        client.rpush(f"{PREFIX}:list", b"\0" * 12)
    found = looked_up(made(server.url, clock), ["a", "b", "list"])
    assert found.known.tolist() == [True, False, False]
    assert found.matrix[1:].tolist() == [DEFAULTS, DEFAULTS]


def test_rows_are_always_read_by_the_schema_that_stands_beside_them(server, clock):
    fill(server)

    async def across_a_change(store):
        before = await store.lookup(["a"], FEATURES)
        fill(server, names=("age", "colour", "quality", "price"), matrix=np.array([[3, 0, 2, 1]] * 3, np.float32))
        return before, await store.lookup(["a"], FEATURES)

    before, after = with_store(made(server.url, clock), across_a_change)
    assert before.matrix.tolist() == after.matrix.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("schema", [None, b"{", b'{"format": "another"}'], ids=["none", "torn", "another"])
def test_without_a_sound_schema_nothing_is_known_until_there_is_one(server, clock, caplog, schema):
    fill(server)
    with redis.Redis(port=server.port) as client:
        client.set(f"{PREFIX}:__schema__", schema) if schema else client.delete(f"{PREFIX}:__schema__")

    async def until_it_is_filled(store):
        lost = [await store.lookup(["a"], FEATURES) for _ in range(3)]
        unavailable = not store.available
        await store.check(FEATURES)
        fill(server)
        return lost, unavailable, await store.lookup(["a"], FEATURES), store.available

    lost, unavailable, found, available = with_store(made(server.url, clock), until_it_is_filled)
    assert [answer.matrix.tolist() for answer in lost] == [[DEFAULTS]] * 3
    assert not any(answer.known.any() for answer in lost)
    assert unavailable
    assert found.known.all()
    assert available
    assert sum("seriatim features load" in record.message for record in caplog.records) == 1


def test_a_bundle_whose_features_are_not_there_is_refused_by_the_check_and_ranked_with_defaults(server, clock, caplog):
    fill(server)
    wider = Features(item=("price", "colour"), defaults={"colour": 4.0})

    async def checked(store):
        await store.check(FEATURES)
        with pytest.raises(BundleError, match=r"Redis at 127.0.0.1:\d+/0, prefix 'shop' holds no feature 'colour'"):
            await store.check(wider)
        missing = [await store.lookup(["a"], wider) for _ in range(3)]
        return missing, await store.lookup(["a"], FEATURES), store.available

    missing, found, available = with_store(made(server.url, clock), checked)
    assert [answer.matrix.tolist() for answer in missing] == [[[0, 4]]] * 3
    assert not missing[0].known.any()
    assert found.known.all()
    assert available
    assert sum("'colour'" in record.message for record in caplog.records) == 1


def test_a_dead_redis_is_left_alone_and_used_again_when_it_is_back(server, clock, caplog):
    caplog.set_level(logging.INFO, logger="serving.features")
    fill(server)

    async def through_a_crash(store):
        assert (await store.lookup(["a"], FEATURES)).known.all()
        server.stop()
        lost = [await store.lookup(["a"], FEATURES) for _ in range(5)]
        assert not store.available
        server.start()
        fill(server)
        still_resting = await store.lookup(["a"], FEATURES)
        clock.now += PAUSE
        return lost, still_resting, await store.lookup(["a"], FEATURES), store.available

    lost, still_resting, found, available = with_store(made(server.url, clock), through_a_crash)
    assert [answer.matrix.tolist() for answer in lost] == [[DEFAULTS]] * 5
    assert not any(answer.known.any() for answer in [*lost, still_resting])
    assert found.matrix.tolist() == [[1, 2, 3]]
    assert available
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_restart_between_two_lookups_goes_unnoticed(server, clock):
    fill(server)

    async def across_a_restart(store):
        await store.lookup(["a"], FEATURES)
        # While the loop stands still: that the connection is gone shows when it is used.
        server.stop()
        server.start()
        fill(server)
        return await store.lookup(["a"], FEATURES)

    assert with_store(made(server.url, clock), across_a_restart).known.all()


def test_a_hanging_redis_costs_two_timeouts_and_then_nothing(server, clock):
    fill(server)

    async def while_it_hangs_and_after(store):
        server.freeze()
        try:
            lost = [await store.lookup(["a"], FEATURES) for _ in range(1000)]
        finally:
            server.thaw()
        assert not store.available
        clock.now += PAUSE
        # The tries of before were given up: their late answers must not be taken for these.
        return lost, [await store.lookup([item_id], FEATURES) for item_id in IDS]

    lost, found = with_store(made(server.url, clock, timeout_ms=HURRIED_MS), while_it_hangs_and_after)
    assert not any(answer.known.any() for answer in lost)
    assert [answer.matrix[0, 0] for answer in found] == [1, 4, 7]


def test_many_lookups_at_a_time_through_a_hang_get_their_own_answers(server, clock):
    fill(server)

    async def at_once(store):
        async def one(number):
            return number, await store.lookup([IDS[number % 3]], FEATURES)

        before = await asyncio.gather(*map(one, range(200)))
        server.freeze()
        hanging = asyncio.gather(*map(one, range(200)))
        await asyncio.wait_for(hanging, 60)
        server.thaw()
        clock.now += PAUSE
        first = [await one(0)]
        return [*before, *hanging.result(), *first, *await asyncio.gather(*map(one, range(200)))]

    answers = with_store(made(server.url, clock, timeout_ms=HURRIED_MS), at_once)
    for number, found in answers:
        expected = np.where(np.isnan(MATRIX[number % 3]), 0, MATRIX[number % 3]) if found.known[0] else DEFAULTS
        assert found.matrix[0].tolist() == list(expected)
    assert sum(found.known[0] for _, found in answers) >= 201


def test_a_lookup_that_is_abandoned_harms_no_other(server, clock):
    fill(server)

    async def abandoned(store):
        await store.lookup(["a"], FEATURES)
        server.freeze()
        tasks = [asyncio.create_task(store.lookup(["b"], FEATURES)) for _ in range(40)]
        done, _ = await asyncio.wait(tasks, timeout=0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.thaw()
        return done, [await store.lookup(["c"], FEATURES) for _ in range(3)]

    done, found = with_store(made(server.url, clock), abandoned)
    assert not done
    assert [answer.matrix.tolist() for answer in found] == [[[7, 8, 9]]] * 3


def test_nothing_listening_is_no_error(clock):
    store = made(f"redis://127.0.0.1:{free_port()}/0", clock)

    async def asked(opened):
        await opened.check(FEATURES)
        return [await opened.lookup(IDS, FEATURES) for _ in range(4)]

    assert all(answer.matrix.tolist() == [DEFAULTS] * 3 for answer in with_store(store, asked))


@pytest.mark.parametrize("given", ["s3cret%2Fword", "wr0ng"])
def test_a_password_is_used_and_never_shown(clock, caplog, given):
    caplog.set_level(logging.DEBUG)
    with running_redis("--requirepass", PASSWORD) as server:
        fill(server, password=PASSWORD)
        store = made(f"redis://:{given}@127.0.0.1:{server.port}/0", clock)

        async def asked(opened):
            return [await opened.lookup(["a"], FEATURES) for _ in range(3)], opened.available

        answers, available = with_store(store, asked)
    right = given != "wr0ng"
    assert [answer.known.all() for answer in answers] == [right] * 3
    assert available == right
    assert right or "AuthenticationError" in caplog.text
    shown = caplog.text + repr(RedisAddress.parse(f"redis://:{given}@127.0.0.1/0"))
    assert not any(secret in shown for secret in (PASSWORD, given))


def test_the_password_is_taken_out_of_what_a_server_repeats():
    address = RedisAddress.parse("redis://:s3cret%2Fword@127.0.0.1/0")
    repeated = "ERR unknown command 'AUTH', with args beginning with: 's3cret/word'"
    assert address.without_secrets(repeated) == "ERR unknown command 'AUTH', with args beginning with: '***'"
    assert RedisAddress.parse("redis://127.0.0.1/0").without_secrets(repeated) == repeated


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@127.0.0.1/0",
        "redis://user:s3cret/x@127.0.0.1:6379/0",
        "redis://:s3cret@127.0.0.1:port/0",
        "redis://:s3cret@127.0.0.1/main",
        "redis://:s3cret@127.0.0.1/0?socket_timeout=soon",
        "redis://:s3cret@127.0.0.1/0?decode_responses=true",
        "redis://:s3cret@127.0.0.1/0?ssl_ca_certs=ca.pem",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(ConfigError, match="give redis://") as caught:
        RedisStore(url, PREFIX, 20)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("prefix", ["", "a:b", "a*", "a b"])
def test_a_prefix_that_could_reach_other_keys_is_refused(prefix):
    with pytest.raises(ConfigError, match="prefix"):
        RedisStore("redis://127.0.0.1/0", prefix, 20)


def test_an_encrypted_connection_verifies_the_servers_name_unless_told_otherwise():
    address = RedisAddress.parse("rediss://127.0.0.1:6390/0?ssl_ca_certs=ca.pem")
    assert (address.kind, address.shown) == ("tls", "127.0.0.1:6390/0")
    assert address.options["ssl_check_hostname"]
    assert address.options["ssl_ca_certs"] == "ca.pem"
    assert not RedisAddress.parse("rediss://127.0.0.1?ssl_check_hostname=false").options["ssl_check_hostname"]


def test_a_unix_socket_will_do(tmp_path, clock):
    socket = tmp_path / "redis.sock"
    with running_redis("--unixsocket", str(socket)) as server:
        fill(server)
        assert looked_up(made(f"unix://{socket}", clock), ["a"]).known.all()
