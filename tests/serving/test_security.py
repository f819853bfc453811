"""Tokens, roles, TLS and limits, over real connections."""

import datetime
import logging
import os

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import ConfigError
from serving.commands.token import token as token_command
from serving.config import ListenConfig, ServiceConfig
from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc, ranking_pb2_grpc
from serving.security import Role, TokenFile, server_credentials
from serving.security.tokens import new_token
from tests.serving.credentials import certified, entry, written
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningService
from tests.serving.small_bundles import make_query

NOW = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def tokens():
    return {name: new_token() for name in ("caller", "admin", "old")}


@pytest.fixture(scope="module")
def service(bundle, tokens, tmp_path_factory):
    path = written(
        tmp_path_factory.mktemp("tokens") / "tokens.yaml",
        entry(tokens["caller"]),
        entry(tokens["admin"], "b", "admin"),
        entry(tokens["old"], "c", expires="2020-01-01T00:00:00+00:00"),
    )
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0, "tokens": path}}
    running = RunningService(ServiceConfig.model_validate(config))
    yield running
    running.stop()


@pytest.fixture
def channel(service):
    with grpc.insecure_channel(service.target) as opened:
        yield opened


def bearing(token):
    return [("authorization", f"Bearer {token}")]


def code_of(call, request, metadata=None, timeout=10):
    try:
        call(request, metadata=metadata, timeout=timeout)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return CODE.OK, ""


def test_a_caller_ranks_and_does_not_touch_traffic(channel, tokens):
    ranking = ranking_pb2_grpc.RankingServiceStub(channel)
    models = models_pb2_grpc.ModelServiceStub(channel)
    assert code_of(ranking.RankSlate, message_of(make_query()), bearing(tokens["caller"]))[0] == CODE.OK
    for call, request in (
        (models.ListModels, models_pb2.ListModelsRequest()),
        (models.SetTraffic, models_pb2.SetTrafficRequest()),
    ):
        assert code_of(call, request, bearing(tokens["caller"]))[0] == CODE.PERMISSION_DENIED
    assert code_of(models.ListModels, models_pb2.ListModelsRequest(), bearing(tokens["admin"]))[0] == CODE.OK
    assert code_of(ranking.RankSlate, message_of(make_query()), bearing(tokens["admin"]))[0] == CODE.OK


def test_missing_wrong_and_expired_tokens_are_refused_in_the_same_words(channel, tokens, caplog):
    ranking = ranking_pb2_grpc.RankingServiceStub(channel)
    wrong = new_token()
    with caplog.at_level(logging.DEBUG):
        answers = {
            code_of(ranking.RankSlate, message_of(make_query()), metadata)
            for metadata in (
                None, bearing(wrong), bearing(tokens["old"]), bearing(""), [("authorization", tokens["caller"])],
                [("authorization", f"Basic {tokens['caller']}")], bearing(tokens["caller"]) + bearing(wrong),
            )
        }  # fmt: skip
    [(code, details)] = answers
    assert code == CODE.UNAUTHENTICATED
    for secret in (wrong, *tokens.values()):
        assert secret not in details + caplog.text


def test_health_is_open_and_reflection_is_not(channel, tokens):
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.RpcError) as caught:
        list(reflection.ServerReflectionInfo(iter([request]), timeout=10))
    assert caught.value.code() == CODE.UNAUTHENTICATED
    assert list(reflection.ServerReflectionInfo(iter([request]), timeout=10, metadata=bearing(tokens["caller"])))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "x-request-id", "authorization-x", "x-data-bin"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
        ),
        max_size=6,
    )
)
def test_no_made_up_metadata_opens_the_door(service, metadata):
    metadata = [(key, value.encode() if key.endswith("-bin") else value) for key, value in metadata]
    with grpc.insecure_channel(service.target) as channel:
        ranking = ranking_pb2_grpc.RankingServiceStub(channel)
        assert code_of(ranking.RankSlate, message_of(make_query()), metadata)[0] == CODE.UNAUTHENTICATED


def test_a_refused_call_does_not_decode_its_message(channel):
    call = channel.unary_unary("/seriatim.v1.RankingService/RankSlate")
    assert code_of(call, b"\xff\xff no message")[0] == CODE.UNAUTHENTICATED


def test_an_oversized_message_and_oversized_metadata_are_refused(bundle, tokens):
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "limits": {"message_bytes": 4096}}
    running = RunningService(ServiceConfig.model_validate(config))
    try:
        with grpc.insecure_channel(running.target) as channel:
            call = channel.unary_unary("/seriatim.v1.RankingService/RankSlate")
            assert code_of(call, bytes(5000))[0] == CODE.RESOURCE_EXHAUSTED
            code, _ = code_of(call, b"", [("x-long", "x" * 60_000)])
            assert code in (CODE.RESOURCE_EXHAUSTED, CODE.UNAVAILABLE, CODE.INTERNAL)
            ranking = ranking_pb2_grpc.RankingServiceStub(channel)
            assert code_of(ranking.RankSlate, message_of(make_query()))[0] == CODE.OK
    finally:
        running.stop()


def test_tokens_are_read_again_when_the_file_changes_and_a_broken_one_opens_no_door(tmp_path, caplog):
    first, second = new_token(), new_token()
    path = written(tmp_path / "tokens.yaml", entry(first))
    tokens = TokenFile(path)
    assert (tokens.role_of(first), tokens.role_of(second)) == (Role.CALLER, None)
    written(path, entry(second, role="admin"))
    os.utime(path, ns=(1, 1))
    assert (tokens.role_of(first), tokens.role_of(second)) == (None, Role.ADMIN)
    path.write_text("- {name: [")
    os.utime(path, ns=(2, 2))
    assert tokens.role_of(second) is Role.ADMIN
    assert "the tokens from before hold" in caplog.text
    path.unlink()
    assert tokens.role_of(second) is Role.ADMIN


def test_a_token_ends_at_its_time(tmp_path):
    token = new_token()
    tokens = TokenFile(written(tmp_path / "t", entry(token, expires="2024-01-01T00:00:00+00:00")))
    assert tokens.role_of(token, NOW - datetime.timedelta(seconds=1)) is Role.CALLER
    assert tokens.role_of(token, NOW) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: b", "Input should be a valid list"),
        ("[", "is not YAML"),
        ("- {name: a, sha256: secret, role: caller}", "entry 0.sha256"),
        ("- {name: a, sha256: " + "a" * 64 + ", role: king}", "entry 0.role"),
        ("- {name: a, sha256: " + "a" * 64 + ", role: admin, token: secret}", "entry 0.token"),
        ("- {name: a, sha256: " + "a" * 64 + ", role: admin, expires: 2024-01-01}", "entry 0.expires"),
        (2 * ("- {name: a, sha256: " + "a" * 64 + ", role: admin}\n"), "a name stands twice"),
    ],
)
def test_a_malformed_file_of_tokens_is_named_without_its_values(tmp_path, content, message):
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        TokenFile(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        TokenFile(tmp_path / "absent.yaml")


def test_the_command_makes_tokens_that_open(tmp_path):
    path = tmp_path / "tokens.yaml"
    made = []
    for name, role in (("shop", "caller"), ("ops", "admin")):
        result = CliRunner().invoke(token_command, ["create", "--name", name, "--role", role, "--file", str(path)])
        assert result.exit_code == 0, result.exception
        made.append(result.output.split(": ")[1].strip())
    assert path.stat().st_mode & 0o777 == 0o600
    assert [TokenFile(path).role_of(token) for token in made] == [Role.CALLER, Role.ADMIN]
    assert not any(token in path.read_text() for token in made)
    again = CliRunner().invoke(token_command, ["create", "--name", "shop", "--file", str(path)])
    assert "holds a token named 'shop' already" in str(again.exception)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    *authority, issuer = certified(folder, "authority")
    *stranger, strange = certified(folder, "stranger")
    return {
        "authority": authority,
        "stranger": stranger,
        "server": certified(folder, "server", issuer)[:2],
        "client": certified(folder, "client", issuer)[:2],
        "strange client": certified(folder, "strange-client", strange)[:2],
    }


def secured(bundle, certificates, **more):
    certificate, key = certificates["server"]
    listen = {"port": 0, "tls_certificate": certificate, "tls_key": key, **more}
    return RunningService(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": listen}))


def tls_code(service, authority, client=None):
    pair = (None, None) if client is None else (client[1].read_bytes(), client[0].read_bytes())
    credentials = grpc.ssl_channel_credentials(authority[0].read_bytes(), *pair)
    with grpc.secure_channel(service.target, credentials) as channel:
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        return code_of(stub.RankSlate, message_of(make_query()), timeout=5)[0]


def test_tls_serves_who_trusts_the_authority_and_nobody_in_the_clear(bundle, certificates):
    service = secured(bundle, certificates)
    try:
        assert tls_code(service, certificates["authority"]) == CODE.OK
        assert tls_code(service, certificates["stranger"]) == CODE.UNAVAILABLE
        with grpc.insecure_channel(service.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            assert code_of(stub.RankSlate, message_of(make_query()), timeout=5)[0] != CODE.OK
    finally:
        service.stop()


def test_mutual_tls_refuses_who_has_no_certificate_of_the_authority(bundle, certificates):
    service = secured(bundle, certificates, client_ca=certificates["authority"][0])
    try:
        assert tls_code(service, certificates["authority"], certificates["client"]) == CODE.OK
        assert tls_code(service, certificates["authority"]) == CODE.UNAVAILABLE
        assert tls_code(service, certificates["authority"], certificates["strange client"]) == CODE.UNAVAILABLE
    finally:
        service.stop()


def test_files_of_tls_that_cannot_be_are_named(certificates, tmp_path):
    certificate, key = certificates["server"]
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for listen, message in (
        ({"tls_certificate": tmp_path / "absent.pem", "tls_key": key}, "tls_certificate .*absent.pem: No such file"),
        ({"tls_certificate": certificate, "tls_key": certificates["client"][1]}, "do not make a pair"),
        ({"tls_certificate": nonsense, "tls_key": key}, "do not make a pair"),
        ({"tls_certificate": certificate, "tls_key": key, "client_ca": nonsense}, "client_ca .* holds no certificate"),
    ):
        with pytest.raises(ConfigError, match=message):
            server_credentials(ListenConfig(**listen))
