"""Several processes behind one port, and what happens when one of them, or their parent, is killed."""

import os
import signal
import socket
import subprocess
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from serving.client import RankingClient
from tests.serving.served_process import serve_command, serving_process, until, wait_for_end
from tests.serving.small_bundles import make_query

TWO = {"listen": {"port": 0, "workers": 2}}


def rank(target, request_id="r"):
    """One slate over a connection of its own, so that the kernel chooses a worker anew."""
    query = make_query()
    with RankingClient(target) as client:
        return client.rank(request_id, query.item_ids, query.features, 2, context=query.context)


def healthy(target):
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_two_workers_serve_behind_one_port_and_count_together(bundle, tmp_path):
    config = {**TWO, "monitoring": {"port": 0}}
    with serving_process(tmp_path, config, "--bundle", bundle.folder) as served:
        workers = served.workers()
        assert (len(workers), served.listeners()) == (2, 2)
        for number in range(20):
            assert rank(served.target, f"r{number}").bundle_version == bundle.manifest.version
        # Whichever of them answers, it answers for both.
        for _ in range(5):
            with urllib.request.urlopen(served.metrics, timeout=20) as answer:
                families = text_string_to_metric_families(answer.read().decode())
            [counter] = [family for family in families if family.name == "seriatim_ranked_requests"]
            assert sum(sample.value for sample in counter.samples if sample.name.endswith("_total")) == 20
    for pid in workers:
        wait_for_end(pid)


def test_a_worker_that_is_killed_is_started_again_while_the_other_serves_on(bundle, tmp_path):
    with serving_process(tmp_path, TWO, "--bundle", bundle.folder) as served:
        first, second = served.workers()
        os.kill(first, signal.SIGKILL)
        wait_for_end(first)
        assert rank(served.target).items
        until(lambda: len(served.workers()) == 2 and served.listeners() == 2)
        assert second in served.workers()
        assert all(healthy(served.target) for _ in range(10))


def test_workers_end_when_their_parent_is_killed(bundle, tmp_path):
    with serving_process(tmp_path, TWO, "--bundle", bundle.folder) as served:
        workers = served.workers()
        served.process.kill()
        served.process.wait()
        for pid in workers:
            wait_for_end(pid)
        assert served.listeners() == 0


def refused(folder, config, *arguments):
    """Status and messages of a service that cannot start."""
    command = serve_command(folder, config, *arguments)
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in finished.stderr
    return finished.returncode, finished.stderr


@pytest.mark.parametrize("section", ["listen", "monitoring"])
def test_a_port_of_a_stranger_is_named_and_not_shared(bundle, tmp_path, section):
    with socket.socket() as stranger:
        # Even one that would share it.
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        config = {**TWO, section: {**TWO.get(section, {}), "port": taken}}
        status, errors = refused(tmp_path, config, "--bundle", bundle.folder)
    assert status == 6
    assert f"cannot listen on 127.0.0.1:{taken}" in errors


def test_a_bundle_that_is_broken_ends_the_start_of_all(tmp_path):
    (tmp_path / "bundles" / "v1").mkdir(parents=True)
    (tmp_path / "bundles" / "v1" / "manifest.json").write_text("{", encoding="utf-8")
    status, errors = refused(tmp_path, TWO, "--bundles", tmp_path / "bundles")
    assert status == 5
    assert "is not readable JSON" in errors
