"""Bytes that are no message, and messages that were damaged: an answer or a named refusal, and the service goes on."""

import gzip
import zlib

import grpc
import pytest
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from serving.config import LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.message_reader import MessageTooLargeError, inflated
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer
from tests.serving.small_bundles import make_query

METHODS = {
    "RankSlate": (ranking_pb2.RankSlateRequest, ranking_pb2.RankSlateResponse),
    "RankSlates": (ranking_pb2.RankSlatesRequest, ranking_pb2.RankSlatesResponse),
}
GOOD = message_of(
    make_query(5), exploration=ranking_pb2.Exploration(temperature=1.0), user_id="u", bundle_version=""
).SerializeToString()
SEVERAL = ranking_pb2.RankSlatesRequest(
    requests=[message_of(make_query(3, seed=seed)) for seed in range(3)]
).SerializeToString()
SOUND = {"RankSlate": GOOD, "RankSlates": SEVERAL}
# What only a caller's mistake may lead to; UNKNOWN and INTERNAL would be faults of ours.
SENSIBLE = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def channel(ranker):
    running = RunningServer(ranker, LimitsConfig(queue_ms=60_000, message_bytes=64 << 10))
    with grpc.insecure_channel(running.target) as opened:
        yield opened
    running.stop()


@st.composite
def damaged(draw, sound):
    """A sound message after a few cuts, flips, repetitions and splices."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(["flip", "cut", "remove", "repeat", "splice"]))
        if kind == "flip" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place:]
        elif kind == "remove":
            del content[place : place + draw(st.integers(1, 8))]
        elif kind == "repeat":
            content[place:place] = content[place : place + draw(st.integers(1, 200))] * draw(st.integers(1, 20))
        else:
            content[place:place] = draw(st.binary(max_size=20) | st.sampled_from([GOOD, SEVERAL]))
    return bytes(content)


def sent(channel, method, content, **options):
    """The answer's class, or the status code; the service answers a sound request afterwards in any case."""
    raw = channel.unary_unary(f"/seriatim.v1.RankingService/{method}")
    try:
        answer = METHODS[method][1].FromString(raw(content, timeout=30, **options))
        outcome = type(answer)
    except grpc.RpcError as error:
        outcome = error.code()
    after = ranking_pb2_grpc.RankingServiceStub(channel).RankSlate(message_of(make_query(3)), timeout=30)
    assert len(after.items) == 3
    return outcome


def require_sensible(method, content, outcome):
    """A message that protobuf can read is answered or refused; one that it cannot is refused."""
    event(str(outcome))
    if decodes(method, content):
        assert outcome in {METHODS[method][1], *SENSIBLE}
    else:
        assert outcome in SENSIBLE


def decodes(method, content):
    try:
        METHODS[method][0].FromString(content)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("method", METHODS)
@SETTINGS
@given(content=st.binary(max_size=300))
def test_any_bytes_are_answered_or_refused(channel, method, content):
    require_sensible(method, content, sent(channel, method, content))


@pytest.mark.parametrize("method", METHODS)
@SETTINGS
@given(data=st.data())
def test_a_damaged_message_is_answered_or_refused(channel, method, data):
    content = data.draw(damaged(SOUND[method]))
    require_sensible(method, content, sent(channel, method, content))


@SETTINGS
@given(data=st.data())
def test_a_damaged_gzip_stream_is_answered_or_refused(channel, data):
    content = data.draw(damaged(gzip.compress(GOOD, mtime=0)))
    outcome = sent(channel, "RankSlate", content)
    event(str(outcome))
    assert outcome in {ranking_pb2.RankSlateResponse, *SENSIBLE}


@pytest.mark.parametrize("method", METHODS)
def test_a_message_that_cannot_be_decoded_is_refused_by_the_methods_name(channel, method, caplog):
    raw = channel.unary_unary(f"/seriatim.v1.RankingService/{method}")
    for content in (b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x1f\x8b", gzip.compress(GOOD)[:-3]):
        with pytest.raises(grpc.RpcError, match=f"not a message that /seriatim.v1.RankingService/{method} reads") as no:
            raw(content, timeout=30)
        assert no.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [record for record in caplog.records if record.name.startswith("grpc")] == []


def test_other_services_refuse_what_cannot_be_decoded_too(channel):
    for method in ("Check", "Watch"):
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(f"/grpc.health.v1.Health/{method}")(b"\xff", timeout=30))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_compressed_request_gets_the_same_answer(channel):
    stub, request = ranking_pb2_grpc.RankingServiceStub(channel), message_of(make_query(40))
    compressed = stub.RankSlate(request, timeout=30, compression=grpc.Compression.Gzip)
    assert compressed == stub.RankSlate(request, timeout=30)


def test_a_compressed_stream_is_read_too(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [answer] = stub.ServerReflectionInfo(iter([request]), timeout=30, compression=grpc.Compression.Gzip)
    assert "seriatim.v1.RankingService" in {service.name for service in answer.list_services_response.service}


def test_a_compression_that_is_not_served_is_said_to_be_so(channel):
    stub = ranking_pb2_grpc.RankingServiceStub(channel)
    with pytest.raises(grpc.RpcError, match="deflate") as caught:
        stub.RankSlate(message_of(make_query(40)), timeout=30, compression=grpc.Compression.Deflate)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_inflating_gives_back_the_message_or_says_that_it_is_too_large(content, max_bytes):
    stream = gzip.compress(content)
    if len(content) <= max_bytes:
        assert inflated(stream, max_bytes) == content
    else:
        with pytest.raises(MessageTooLargeError, match=f"more than {max_bytes} bytes"):
            inflated(stream, max_bytes)


@given(st.binary(max_size=200), st.data())
def test_a_stream_that_ends_early_or_is_followed_by_something_is_refused(content, data):
    stream = gzip.compress(content)
    end = data.draw(st.integers(2, len(stream) - 1))
    for torn in (stream[:end], stream + b"\x00"):
        with pytest.raises(zlib.error):
            inflated(torn, 1000)


@given(st.binary(max_size=200).filter(lambda raw: not raw.startswith(b"\x1f\x8b")))
def test_what_is_not_compressed_stays_as_it_is(raw):
    assert inflated(raw, 0) is raw


def test_no_message_begins_like_a_gzip_stream():
    for kind in (ranking_pb2.RankSlateRequest, ranking_pb2.RankSlatesRequest):
        with pytest.raises(DecodeError):
            kind.FromString(b"\x1f\x8b")
