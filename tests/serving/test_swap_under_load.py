"""Versions come and go under traffic: no request is lost, and no answer mixes two of them."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving.bundle import open_bundle
from serving.bundle.manifest import MANIFEST_FILE
from serving.config import ServiceConfig
from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc, ranking_pb2_grpc
from serving.runtime import SlateRanker
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningService
from tests.serving.served_process import until
from tests.serving.small_bundles import make_bundle, make_query

V1, V2 = "20240101T000000Z-00000000", "20240102T000000Z-00000000"
CALLERS, ENOUGH = 8, 40


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two versions that rank differently: the second has no gate and no re-ranker."""
    root = tmp_path_factory.mktemp("made")
    kinds = {V1: ("base_ranker", "gate", "seq2slate"), V2: ("base_ranker",)}
    return {version: make_bundle(root, version, kinds=stages).folder for version, stages in kinds.items()}


@pytest.fixture
def service(made, tmp_path):
    shutil.copytree(made[V1], tmp_path / "bundles" / V1)
    config = {
        "models": {"root": tmp_path / "bundles", "poll_seconds": 0.02},
        "listen": {"port": 0},
        # A busy machine may keep callers waiting; only what swaps do to them counts here.
        "limits": {"queue_ms": 20_000},
    }
    running = RunningService(ServiceConfig.model_validate(config))
    yield running
    running.stop()


def seen(response):
    """What of an answer tells the versions apart."""
    return [
        (item.item_id, item.HasField("gate_score"), item.HasField("probability"), round(item.base_score, 5))
        for item in response.items
    ]


class Traffic:
    """Callers that rank one query again and again, until they are told to stop; `counts` answers by version."""

    def __init__(self, target, expected):
        self.counts, self._expected, self._target = dict.fromkeys(expected, 0), expected, target
        self._stopping, self._lock = threading.Event(), threading.Lock()

    def __enter__(self):
        self._threads = ThreadPoolExecutor(CALLERS)
        self._calls = [self._threads.submit(self._call, number) for number in range(CALLERS)]
        return self

    def __exit__(self, *error):
        self._stopping.set()
        self._threads.shutdown()
        for call in self._calls:
            call.result()

    def until_more(self, version, count=ENOUGH):
        """Return when so many more answers were of this version."""
        wanted = self.counts[version] + count
        until(lambda: self.counts[version] >= wanted or any(call.done() for call in self._calls))

    def _call(self, caller):
        with grpc.insecure_channel(self._target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub, number = ranking_pb2_grpc.RankingServiceStub(channel), 0
            while not self._stopping.is_set():
                number += 1
                query = make_query(seed=1, request_id=f"caller-{caller}-{number}")
                response = stub.RankSlate(message_of(query), timeout=20)
                assert seen(response) == self._expected[response.bundle_version]
                with self._lock:
                    self.counts[response.bundle_version] += 1


@pytest.fixture
def traffic(service, made):
    query, expected = make_query(seed=1), {}
    for version, folder in made.items():
        slate = SlateRanker(open_bundle(folder)).rank(query)
        expected[version] = [
            (
                query.item_ids[row],
                slate.gate_scores is not None,
                not np.isnan(probability),
                round(float(slate.base_scores[row]), 5),
            )
            for row, probability in zip(slate.order, slate.probabilities, strict=True)
        ]
    assert expected[V1] != expected[V2]
    with Traffic(service.target, expected) as callers:
        yield callers


def test_swaps_under_load_lose_no_request_and_mix_no_versions(service, traffic, made, tmp_path):
    traffic.until_more(V1)
    shutil.copytree(made[V2], tmp_path / "bundles" / V2)
    traffic.until_more(V2)
    with grpc.insecure_channel(service.target) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        for stable in (V1, V2, V1):
            stub.SetTraffic(models_pb2.SetTrafficRequest(traffic=models_pb2.Traffic(stable=stable)), timeout=60)
            traffic.until_more(stable)
        stub.SetTraffic(models_pb2.SetTrafficRequest(roll_back=True), timeout=60)
        traffic.until_more(V2)
        half = models_pb2.Traffic(stable=V1, canary=V2, canary_share=0.5)
        stub.SetTraffic(models_pb2.SetTrafficRequest(traffic=half), timeout=60)
        traffic.until_more(V1)
        traffic.until_more(V2)


def test_a_bundle_that_is_written_slowly_disturbs_nobody(service, traffic, made, tmp_path):
    destination = tmp_path / "bundles" / V2
    destination.mkdir()
    # The manifest first, as a careless copy would: the version is refused until all is there.
    names = sorted(path.relative_to(made[V2]) for path in made[V2].rglob("*") if path.is_file())
    for name in sorted(names, key=lambda name: name.name != MANIFEST_FILE):
        # Before each file and not behind it: with the last one the version is whole, and may be served at once.
        traffic.until_more(V1, 10)
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made[V2] / name, destination / name)
    traffic.until_more(V2)
