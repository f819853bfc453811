"""ImageService over a real socket."""

import asyncio
import threading

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from seriatim_errors import BundleError
from serving.config import ServiceConfig
from serving.images.decoding import MAX_BYTES
from serving.images.reference import NumpyCascade
from serving.images.stage_graph import load_stages
from serving.proto.seriatim.v1 import images_pb2, images_pb2_grpc
from serving.rpc.images import MOST_IMAGES, ImageServicer
from serving.rpc.no_images import NoImagesServicer
from serving.server import GrpcServer
from serving.service import Service
from tests.serving.running import RunningService
from tests.serving.small_cascades import CLASSES, file_of, make_cascade, make_image, make_runtime

SERVICE = images_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name


class RunningImages:
    """ImageService in an event loop of its own thread, over a cascade or none."""

    def __init__(self, runtime):
        self.runtime, self._loop = runtime, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        servicer = NoImagesServicer() if runtime is None else ImageServicer(runtime)
        services = {SERVICE: lambda server: images_pb2_grpc.add_ImageServiceServicer_to_server(servicer, server)}
        self.server = GrpcServer(services, options=[("grpc.max_receive_message_length", 16 << 20)])
        self.target = f"127.0.0.1:{self.run(self.server.start())}"

    def run(self, coroutine):
        """The result of a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def stop(self):
        self.run(self.server.stop(0))
        if self.runtime is not None:
            self.run(self.runtime.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def serving():
    """Starts services and stops them."""
    running = []

    def start(runtime):
        running.append(RunningImages(runtime))
        channel = grpc.insecure_channel(running[-1].target)
        running.append(channel)
        return images_pb2_grpc.ImageServiceStub(channel)

    yield start
    for one in reversed(running):
        one.close() if isinstance(one, grpc.Channel) else one.stop()


@pytest.fixture
def stub(serving, image_cascade, image_graphs):
    return serving(make_runtime(image_cascade.manifest, image_graphs))


def request_of(*contents):
    images = [images_pb2.Image(image_id=f"image-{place}", content=content) for place, content in enumerate(contents)]
    return images_pb2.ScoreImagesRequest(images=images)


def refused(stub, request, **options):
    with pytest.raises(grpc.RpcError) as caught:
        stub.ScoreImages(request, **{"timeout": 20, **options})
    return rpc_status.from_call(caught.value) or caught.value


def detail(status, kind):
    message = kind()
    assert status.details[0].Unpack(message)
    return message


def test_images_are_scored_in_order_as_the_reference_scores_them(stub, image_cascade, image_graphs):
    pixels = [make_image(seed, (40 + seed, 30)) for seed in range(12)]
    response = stub.ScoreImages(request_of(*map(file_of, pixels)), timeout=20)
    assert (response.cascade_version, tuple(response.class_names)) == ("cascade-1", CLASSES)
    assert [score.image_id for score in response.scores] == [f"image-{place}" for place in range(12)]
    for score, image in zip(response.scores, pixels, strict=True):
        expected = NumpyCascade(image_cascade.manifest, image_graphs).score(image)
        np.testing.assert_allclose(score.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_allclose(score.embedding, expected.embedding, atol=1e-5)
        assert score.confidence == pytest.approx(expected.confidence, abs=1e-5)
        assert (score.exit_stage, score.cut_short) == (expected.exit_stage, False)
        assert sum(score.probabilities) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_promised_format_is_read(stub, kind):
    [score] = stub.ScoreImages(request_of(file_of(make_image(1, (64, 64)), kind)), timeout=20).scores
    assert len(score.probabilities) == len(CLASSES)


def test_a_cascade_without_embedding_gives_none(serving, tmp_path):
    cascade = make_cascade(tmp_path, embedding=0)
    stub = serving(make_runtime(cascade.manifest, load_stages(cascade.folder, cascade.manifest)))
    [score] = stub.ScoreImages(request_of(file_of(make_image(1))), timeout=20).scores
    assert list(score.embedding) == []


def test_concurrent_callers_get_their_own_answers(stub, image_cascade, image_graphs):
    reference = NumpyCascade(image_cascade.manifest, image_graphs)
    pixels = [[make_image(10 * caller + place) for place in range(1 + caller % 5)] for caller in range(30)]
    calls = [stub.ScoreImages.future(request_of(*map(file_of, images)), timeout=20) for images in pixels]
    for call, images in zip(calls, pixels, strict=True):
        for score, image in zip(call.result().scores, images, strict=True):
            np.testing.assert_allclose(score.probabilities, reference.score(image).probabilities, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"no image", file_of(make_image(0))[:100], bytes(MAX_BYTES + 1)])
def test_a_bad_image_is_named_by_its_place(stub, content):
    good = file_of(make_image(0))
    status = refused(stub, request_of(good, good, good, content))
    assert status.code == code_pb2.INVALID_ARGUMENT
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert violation.field == "images[3].content"


@pytest.mark.parametrize("count", [0, MOST_IMAGES + 1])
def test_the_number_of_images_is_limited(stub, count):
    status = refused(stub, request_of(*[b"x"] * count))
    assert status.code == code_pb2.INVALID_ARGUMENT
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("images", f"{count} images; give 1 to 64 in a call")


def test_a_service_without_cascade_says_so(serving):
    status = refused(serving(None), request_of(file_of(make_image(0))))
    assert status.code == code_pb2.FAILED_PRECONDITION
    assert "set images.cascade" in status.message
    [violation] = detail(status, error_details_pb2.PreconditionFailure).violations
    assert violation.subject == "images.cascade"


def test_too_many_images_are_refused_with_a_time_to_come_again(serving, image_cascade, image_graphs):
    stub = serving(make_runtime(image_cascade.manifest, image_graphs, queue_images=3))
    content = file_of(make_image(0))
    status = refused(stub, request_of(*4 * [content]))
    assert status.code == code_pb2.RESOURCE_EXHAUSTED
    assert detail(status, error_details_pb2.RetryInfo).HasField("retry_delay")
    assert len(stub.ScoreImages(request_of(*3 * [content]), timeout=20).scores) == 3


def test_a_deadline_that_allows_no_second_stage_cuts_the_answer_short(serving, image_cascade, image_graphs):
    runtime = make_runtime(image_cascade.manifest, image_graphs)
    for bucket in runtime.times.buckets:
        runtime.times.observe(1, bucket, 1e5)
    stub = serving(runtime)
    contents = [file_of(make_image(seed)) for seed in range(12)]
    scores = stub.ScoreImages(request_of(*contents), timeout=20).scores
    unsure = [score for score in scores if score.confidence < image_cascade.manifest.stages[0].threshold]
    assert unsure
    assert all(score.cut_short and score.exit_stage == 0 for score in unsure)
    assert not any(score.cut_short for score in scores if score not in unsure)
    assert not any(score.cut_short for score in stub.ScoreImages(request_of(*contents)).scores)


def test_a_closed_cascade_is_unavailable(serving, image_cascade, image_graphs):
    runtime = make_runtime(image_cascade.manifest, image_graphs)
    stub = serving(runtime)
    asyncio.run(runtime.close())
    assert refused(stub, request_of(file_of(make_image(0)))).code == code_pb2.UNAVAILABLE


def test_a_stage_that_fails_is_logged_and_tells_the_caller_nothing(
    serving, image_cascade, image_graphs, monkeypatch, caplog
):
    def broken(images, bucket=None):
        raise MemoryError("no room on the device")

    runtime = make_runtime(image_cascade.manifest, image_graphs)
    monkeypatch.setattr(image_graphs[0], "run", broken)
    status = refused(serving(runtime), request_of(file_of(make_image(0))))
    assert status.code == code_pb2.INTERNAL
    assert "no room" not in status.message
    assert "no room on the device" in caplog.text


def test_the_configured_cascade_is_served_beside_the_rankings(bundle, image_cascade):
    config = {
        "models": {"bundle": bundle.folder},
        "listen": {"port": 0},
        "images": {"cascade": image_cascade.folder, "buckets": [1, 2]},
    }
    running = RunningService(ServiceConfig.model_validate(config))
    try:
        with grpc.insecure_channel(running.target) as channel:
            stub = images_pb2_grpc.ImageServiceStub(channel)
            response = stub.ScoreImages(request_of(file_of(make_image(3))), timeout=20)
        assert response.cascade_version == image_cascade.manifest.version
    finally:
        running.stop()


def test_a_cascade_that_is_not_sound_ends_the_start_with_its_name(tmp_path, bundle):
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "images": {"cascade": tmp_path / "none"}}

    async def start():
        service = Service(ServiceConfig.model_validate(config))
        try:
            await service.start()
        finally:
            await service.stop()

    with pytest.raises(BundleError, match="none"):
        asyncio.run(start())
