"""ModelService and `seriatim models`, against a real service."""

import shutil

import grpc
import pytest
from click.testing import CliRunner
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from seriatim_errors import ServiceError
from serving.client import RankingClient
from serving.commands.models import models
from serving.config import ServiceConfig
from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc
from tests.serving.running import RunningService
from tests.serving.served_process import until
from tests.serving.small_bundles import make_bundle, make_query

V1, V2, V3 = (f"2024010{day}T000000Z-00000000" for day in (1, 2, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    return {version: make_bundle(root, version, metrics={"ndcg_at_10": 0.5}).folder for version in (V1, V2)}


@pytest.fixture
def service(made, tmp_path):
    root = tmp_path / "bundles"
    for version, folder in made.items():
        shutil.copytree(folder, root / version)
    shutil.copytree(made[V1], root / V3)
    running = RunningService(
        ServiceConfig.model_validate({"models": {"root": root, "poll_seconds": 3600}, "listen": {"port": 0}})
    )
    yield running
    running.stop()


@pytest.fixture
def stub(service):
    with grpc.insecure_channel(service.target) as channel:
        yield models_pb2_grpc.ModelServiceStub(channel)


def traffic(**fields):
    return models_pb2.SetTrafficRequest(traffic=models_pb2.Traffic(**fields))


def ranked_by(service, pinned=None, request_id="r"):
    query = make_query(5)
    with RankingClient(service.target) as client:
        return client.rank(request_id, query.item_ids, query.features, 2, context=query.context).bundle_version


def test_all_versions_are_listed_with_what_became_of_them(service, stub):
    assert ranked_by(service) == V2
    listed = stub.ListModels(models_pb2.ListModelsRequest(), timeout=30)
    assert [model.version for model in listed.models] == [V1, V2, V3]
    assert [model.state for model in listed.models] == [
        models_pb2.MODEL_STATE_KNOWN, models_pb2.MODEL_STATE_READY, models_pb2.MODEL_STATE_REFUSED
    ]  # fmt: skip
    assert f"holds version '{V1}'" in listed.models[2].refusal
    assert (listed.models[1].requests, listed.models[1].metrics["ndcg_at_10"]) == (1, 0.5)


def test_new_rules_are_followed_at_once_and_rolled_back(service, stub):
    assert stub.SetTraffic(traffic(stable=V1, canary=V2, canary_share=0.5), timeout=60).traffic.canary == V2
    assert {ranked_by(service, request_id=f"r{number}") for number in range(20)} == {V1, V2}
    back = stub.SetTraffic(models_pb2.SetTrafficRequest(roll_back=True), timeout=60).traffic
    assert (back.stable, back.canary) == ("", "")
    assert ranked_by(service) == V2


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"stable": "../../etc"}, "is not under"),
        ({"stable": V3}, "was refused"),
        ({"canary": V1, "canary_share": 2}, "give 0 to 1"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_details(service, stub, rules, message):
    with pytest.raises(grpc.RpcError) as caught:
        stub.SetTraffic(traffic(**rules), timeout=60)
    status = rpc_status.from_call(caught.value)
    assert status.code == code_pb2.FAILED_PRECONDITION
    failure = error_details_pb2.PreconditionFailure()
    assert status.details[0].Unpack(failure)
    assert message in failure.violations[0].description
    assert ranked_by(service) == V2


def test_the_command_lists_sets_and_goes_back(service):
    def run(*arguments):
        result = CliRunner().invoke(models, [*arguments, "--target", service.target])
        assert result.exit_code == 0, result.exception
        return result.output

    assert f"stable: {V1}; canary: {V2} for 5.0%" in run(
        "set-traffic", "--stable", V1, "--canary", V2, "--canary-share", "0.05"
    )
    assert "stable: the newest" in run("roll-back")
    assert "refused" in run("list")


def test_the_command_names_its_mistakes(service):
    result = CliRunner().invoke(models, ["set-traffic", "--stable", "absent", "--target", service.target])
    assert "version 'absent' is not under" in str(result.exception)
    result = CliRunner().invoke(models, ["list", "--target", "127.0.0.1:1"])
    assert "no service answers at 127.0.0.1:1" in str(result.exception)


def test_health_is_answered_for_every_version_in_memory(made, tmp_path):
    root = tmp_path / "bundles"
    shutil.copytree(made[V1], root / V1)
    config = {"models": {"root": root, "poll_seconds": 0.02}, "listen": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    try:
        with RankingClient(running.target) as client:
            until(lambda: _healthy(client, V1))
            assert not _healthy(client, V2)
            shutil.copytree(made[V2], root / V2)
            until(lambda: _healthy(client, V2))
    finally:
        running.stop()


def _healthy(client, version):
    try:
        return client.healthy(version)
    except ServiceError:
        return False


def test_a_version_is_listed_whole_in_a_narrow_terminal(service, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    result = CliRunner().invoke(models, ["list", "--target", service.target])
    assert all(version in result.output for version in (V1, V2, V3))
