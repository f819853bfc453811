"""The cascade at work: every image gets its own answer, the reference's, whoever else is there."""

import asyncio

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seriatim_errors import ServiceError
from serving.images.decoding import resized
from serving.images.reference import NumpyCascade
from serving.runtime.query import InvalidRequestError
from tests.serving.held_stages import HeldStage, run, until
from tests.serving.small_cascades import ALWAYS, NEVER, TOLERANCE, make_image, make_runtime, with_thresholds

IMAGES = [make_image(seed) for seed in range(40)]


def same(score, expected):
    np.testing.assert_allclose(score.probabilities, expected.probabilities, atol=TOLERANCE)
    np.testing.assert_allclose(score.embedding, expected.embedding, atol=TOLERANCE)
    assert score.confidence == pytest.approx(expected.confidence, abs=TOLERANCE)
    assert (score.exit_stage, score.cut_short) == (expected.exit_stage, False)


THRESHOLDS = st.tuples(*2 * [st.one_of(st.sampled_from((ALWAYS, NEVER)), st.floats(0.3, 1.0, exclude_max=True))])


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    thresholds=THRESHOLDS,
    combine=st.sampled_from(("last", "mean")),
    confidence=st.sampled_from(("max_probability", "margin", "entropy")),
    buckets=st.sampled_from(((1, 2, 4, 8), (4,), (1, 3, 7), (32,))),
    delay=st.sampled_from((0.0, 0.002, 10.0)),
    concurrency=st.integers(1, 12),
)
def test_every_image_gets_the_reference_answer_whatever_runs_beside_it(
    manifest, image_graphs, sizes, thresholds, combine, confidence, buckets, delay, concurrency
):
    manifest = with_thresholds(manifest, thresholds, combine=combine, confidence=confidence)
    reference = NumpyCascade(manifest, image_graphs)
    expected = {place: reference.score(image) for place, image in enumerate(IMAGES)}
    for image in IMAGES:
        for score, threshold in zip(reference.stage_scores(image), thresholds, strict=False):
            assume(threshold in (ALWAYS, NEVER) or abs(score.confidence - threshold) > 1e-5)
    runs = []
    runtime = make_runtime(manifest, image_graphs, buckets, delay=delay, observe=runs.append)
    requests = [[(7 * start + step) % len(IMAGES) for step in range(size)] for start, size in enumerate(sizes)]

    async def call_all():
        limit = asyncio.Semaphore(concurrency)

        async def call(request):
            async with limit:
                return await runtime.score([IMAGES[place] for place in request])

        return await asyncio.gather(*map(call, requests))

    answers = run(call_all, runtime)
    for request, scores in zip(requests, answers, strict=True):
        assert len(scores) == len(request)
        for place, score in zip(request, scores, strict=True):
            same(score, expected[place])
    assert sum(runtime.counts.exits) == sum(sizes)
    assert runtime.waiting == 0
    read = [sum(len(one.batch.rows) for one in runs if one.batch.stage == stage) for stage in range(3)]
    left = [sum(one.left for one in runs if one.batch.stage == stage) for stage in range(3)]
    assert left == runtime.counts.exits
    assert read == [sum(sizes), sum(sizes) - left[0], sum(sizes) - left[0] - left[1]]
    assert all(one.batch.bucket in buckets and len(one.batch.rows) <= one.batch.bucket for one in runs)


@pytest.mark.parametrize("combine", ["last", "mean"])
def test_thresholds_at_the_ends_give_the_first_stage_and_the_whole_committee(manifest, image_graphs, combine):
    first = with_thresholds(manifest, (ALWAYS, ALWAYS), combine=combine)
    whole = with_thresholds(manifest, (NEVER, NEVER), combine=combine)
    image = IMAGES[0]
    stages = [graph.run([resized(image, graph.size)]).probabilities[0] for graph in image_graphs]
    np.testing.assert_allclose(NumpyCascade(first, image_graphs).score(image).probabilities, stages[0], atol=TOLERANCE)
    expected = np.mean(stages, axis=0) if combine == "mean" else stages[-1]
    for each, probabilities, stage in ((first, stages[0], 0), (whole, expected, 2)):
        runtime = make_runtime(each, image_graphs)
        [score] = run(lambda runtime=runtime: runtime.score([image]), runtime)
        np.testing.assert_allclose(score.probabilities, probabilities, atol=TOLERANCE)
        assert score.exit_stage == stage


@given(count=st.integers(1, 8), bucket=st.sampled_from((8, 16)), filler=st.integers(0, 39))
def test_what_fills_a_bucket_changes_nothing(image_graphs, count, bucket, filler):
    images = [resized(image, image_graphs[0].size) for image in IMAGES[:count]]
    alone = image_graphs[0].run(images)
    padded = image_graphs[0].run(images, bucket)
    among = image_graphs[0].run([*images, *(bucket - count) * [resized(IMAGES[filler], image_graphs[0].size)]])
    for found in (padded.probabilities, among.probabilities[:count]):
        np.testing.assert_allclose(found, alone.probabilities, atol=TOLERANCE)


def test_escalated_images_of_different_requests_share_a_batch(manifest, image_graphs, times):
    held, runs = HeldStage(image_graphs[0]), []
    manifest = with_thresholds(manifest, (NEVER, ALWAYS))
    runtime = make_runtime(manifest, (held, *image_graphs[1:]), times=times, delay=10.0, observe=runs.append)

    async def body():
        calls = [asyncio.ensure_future(runtime.score([IMAGES[0]]))]
        await until(lambda: held.batches)
        calls += [asyncio.ensure_future(runtime.score([image])) for image in IMAGES[1:8]]
        await until(lambda: runtime.queued == [7, 0, 0])
        held.let()
        return await asyncio.gather(*calls)

    assert len(run(body, runtime)) == 8
    [shared] = [one.batch for one in runs if one.batch.stage == 1]
    assert len({row.request for row in shared.rows}) == 8


def test_a_lone_image_goes_through_without_waiting(manifest, image_graphs, times):
    runs = []
    manifest = with_thresholds(manifest, (NEVER, NEVER))
    # An hour: whoever waited for it would be seen.
    runtime = make_runtime(manifest, image_graphs, times=times, delay=3600.0, observe=runs.append)
    run(lambda: asyncio.wait_for(runtime.score([IMAGES[0]]), 20), runtime)
    assert [(one.batch.stage, one.batch.bucket) for one in runs] == [(0, 1), (1, 1), (2, 1)]


def test_a_bad_image_refuses_its_request_alone_and_before_a_stage_reads_any_of_it(manifest, image_graphs, times):
    held = HeldStage(image_graphs[0])
    held.let()
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), (held, *image_graphs[1:]), times=times)

    async def body():
        return await asyncio.gather(
            runtime.score([IMAGES[0], IMAGES[1], b"no image", IMAGES[2]]),
            runtime.score([IMAGES[3]]),
            return_exceptions=True,
        )

    bad, good = run(body, runtime)
    assert isinstance(bad, InvalidRequestError)
    assert bad.field == "images[2].content"
    assert len(good) == 1
    assert held.batches == [1]


def test_a_stage_that_fails_fails_its_batch_and_the_next_is_served(manifest, image_graphs, times, monkeypatch):
    runtime = make_runtime(manifest, image_graphs, times=times)

    def broken(images, bucket=None):
        raise MemoryError("no room")

    async def body():
        with monkeypatch.context() as patch:
            patch.setattr(image_graphs[0], "run", broken)
            [failed] = await asyncio.gather(runtime.score(IMAGES[:3]), return_exceptions=True)
        return failed, await runtime.score(IMAGES[:3])

    failed, served = run(body, runtime)
    assert isinstance(failed, MemoryError)
    assert len(served) == 3


def test_a_row_that_is_no_number_fails_its_request_alone(manifest, image_graphs, times, monkeypatch):
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), image_graphs, times=times)
    sound = image_graphs[0].run

    def poisoned(images, bucket=None):
        answer = sound(images, bucket)
        black = [not image.any() for image in images]
        answer.probabilities[black] = np.nan
        return answer

    monkeypatch.setattr(image_graphs[0], "run", poisoned)

    async def body():
        return await asyncio.gather(
            runtime.score([np.zeros_like(IMAGES[0])]), runtime.score(IMAGES[:3]), return_exceptions=True
        )

    bad, good = run(body, runtime)
    assert isinstance(bad, ServiceError)
    assert "no numbers" in str(bad)
    assert len(good) == 3
