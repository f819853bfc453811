"""Who cannot be served in full: too late, gone, too many, or when the service stops."""

import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching import DeadlinePassedError, OverloadedError
from serving.images.reference import NumpyCascade
from serving.images.refusals import CascadeClosedError, QueueFullError
from tests.serving.held_stages import HeldStage, run, slow_stage, until
from tests.serving.small_cascades import ALWAYS, NEVER, TOLERANCE, make_image, make_runtime, with_thresholds

IMAGES = [make_image(seed) for seed in range(40)]


@pytest.mark.parametrize("slow", [1, 2])
def test_an_image_that_a_stage_would_finish_too_late_is_answered_by_those_before(manifest, image_graphs, slow):
    manifest = with_thresholds(manifest, (NEVER, NEVER))
    runtime = make_runtime(manifest, image_graphs, times=slow_stage(slow))
    scores = run(lambda: runtime.score(IMAGES[:3], remaining=60.0), runtime)
    expected = [NumpyCascade(manifest, image_graphs).stage_scores(image)[slow - 1] for image in IMAGES[:3]]
    for score, reference in zip(scores, expected, strict=True):
        np.testing.assert_allclose(score.probabilities, reference.probabilities, atol=TOLERANCE)
        assert (score.exit_stage, score.cut_short) == (slow - 1, True)
    assert (runtime.counts.cut_short, runtime.counts.exits[slow - 1]) == (3, 3)


def test_without_a_deadline_a_slow_stage_is_waited_for(manifest, image_graphs):
    manifest = with_thresholds(manifest, (NEVER, NEVER))
    runtime = make_runtime(manifest, image_graphs, times=slow_stage(2))
    [score] = run(lambda: runtime.score([IMAGES[0]]), runtime)
    assert (score.exit_stage, score.cut_short) == (2, False)


def test_images_that_were_sure_enough_are_not_cut_short(manifest, image_graphs):
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), image_graphs, times=slow_stage(1))
    [score] = run(lambda: runtime.score([IMAGES[0]], remaining=60.0), runtime)
    assert (score.exit_stage, score.cut_short) == (0, False)


def test_an_image_that_waits_is_answered_in_time_while_the_worker_is_busy(manifest, image_graphs):
    held = HeldStage(image_graphs[0])
    # The next stage is thought to take 59.6 s, so that its wait must end 0.4 s after the start.
    runtime = make_runtime(
        with_thresholds(manifest, (NEVER, ALWAYS)),
        (held, *image_graphs[1:]),
        times=slow_stage(1, 29.8),
        delay=3600.0,
    )

    async def body():
        waits = asyncio.ensure_future(runtime.score([IMAGES[0]], remaining=60.0))
        await until(lambda: held.batches)
        blocker = asyncio.ensure_future(runtime.score([IMAGES[1]]))
        await until(lambda: runtime.queued[0] == 1)
        held.let(1)
        await until(lambda: len(held.batches) == 2)
        [score] = await asyncio.wait_for(waits, 20)
        assert not blocker.done()
        held.let()
        await blocker
        return score

    score = run(body, runtime)
    assert (score.exit_stage, score.cut_short) == (0, True)
    assert runtime.counts.exits == [1, 1, 0]


def test_a_request_whose_deadline_passed_while_it_waited_costs_no_stage_anything(manifest, image_graphs, times):
    held = HeldStage(image_graphs[0])
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), (held, *image_graphs[1:]), times=times)

    async def body():
        blocker = asyncio.ensure_future(runtime.score([IMAGES[0]]))
        await until(lambda: held.batches)
        late = asyncio.ensure_future(runtime.score(IMAGES[1:4], remaining=0.02))
        passed = asyncio.get_running_loop().time() + 0.05
        await until(lambda: asyncio.get_running_loop().time() > passed)
        held.let()
        await blocker
        with pytest.raises(DeadlinePassedError, match="before the images were scored"):
            await late

    run(body, runtime)
    assert held.batches == [1]
    assert runtime.counts.too_late == 1


def test_a_caller_that_is_gone_costs_no_stage_anything(manifest, image_graphs, times):
    held = HeldStage(image_graphs[0])
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), (held, *image_graphs[1:]), times=times)

    async def body():
        stays = asyncio.ensure_future(runtime.score([IMAGES[0]]))
        await until(lambda: held.batches)
        leaves = asyncio.ensure_future(runtime.score(IMAGES[1:4]))
        await until(lambda: runtime.queued[0] == 3)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        assert leaves.cancelled()
        assert runtime.waiting == 1
        held.let()
        await stays

    run(body, runtime)
    assert held.batches == [1]


def test_a_full_queue_refuses_at_once_with_a_time_to_come_again(manifest, image_graphs, times):
    held = HeldStage(image_graphs[0])
    runtime = make_runtime(manifest, (held, *image_graphs[1:]), times=times, queue_images=10)

    async def body():
        first = asyncio.ensure_future(runtime.score(IMAGES[:4]))
        await until(lambda: held.batches)
        second = asyncio.ensure_future(runtime.score(IMAGES[4:10]))
        await until(lambda: runtime.waiting == 10)
        with pytest.raises(QueueFullError, match="1 images asked for while 10 wait, and 10 may") as caught:
            await runtime.score([IMAGES[0]])
        assert isinstance(caught.value, OverloadedError)
        held.let()
        await asyncio.gather(first, second)
        assert len(await runtime.score(IMAGES[:10])) == 10
        return caught.value.retry_after

    assert run(body, runtime) >= 0
    assert runtime.counts.refused == 1


def test_who_would_wait_beyond_the_deadline_is_refused_at_once(manifest, image_graphs):
    held, times = HeldStage(image_graphs[0]), slow_stage(0)
    runtime = make_runtime(with_thresholds(manifest, (ALWAYS, ALWAYS)), (held, *image_graphs[1:]), times=times)

    async def body():
        calls = [asyncio.ensure_future(runtime.score([IMAGES[0]]))]
        await until(lambda: held.batches)
        calls.append(asyncio.ensure_future(runtime.score(IMAGES[:2])))
        await until(lambda: runtime.queued[0] == 2)
        with pytest.raises(OverloadedError, match="try again"):
            await runtime.score([IMAGES[0]], remaining=60.0)
        held.let()
        await asyncio.gather(*calls)

    run(body, runtime)


def test_closing_fails_what_waits_finishes_what_runs_and_joins_the_threads(manifest, image_graphs, times):
    held = HeldStage(image_graphs[0])
    before = set(threading.enumerate())

    async def body():
        runtime = make_runtime(manifest, (held, *image_graphs[1:]), times=times)
        calls = [asyncio.ensure_future(runtime.score(IMAGES[:2]))]
        await until(lambda: held.batches)
        calls.append(asyncio.ensure_future(runtime.score(IMAGES[2:5])))
        await until(lambda: runtime.queued[0] == 3)
        closing = asyncio.ensure_future(runtime.close())
        answers = await asyncio.gather(*calls, return_exceptions=True)
        held.let()
        await closing
        with pytest.raises(CascadeClosedError):
            await runtime.score(IMAGES[:1])
        await runtime.close()
        return answers

    answers = asyncio.run(body())
    assert [type(answer) for answer in answers] == [CascadeClosedError] * 2
    assert "the image cascade stops" in str(answers[0])
    assert not [thread for thread in set(threading.enumerate()) - before if "cascade" in thread.name]
    assert not [thread for thread in set(threading.enumerate()) - before if "decoder" in thread.name]


@settings(max_examples=25)
@given(st.data())
def test_whatever_callers_do_each_request_ends_once_with_its_own_answer_or_an_error(manifest, image_graphs, data):
    requests = data.draw(
        st.lists(st.tuples(st.integers(1, 6), st.sampled_from((None, 1e-4, 0.003, 60.0)), st.booleans()), max_size=30)
    )
    manifest = with_thresholds(manifest, (0.7, 0.8))
    reference = NumpyCascade(manifest, image_graphs)
    runtime = make_runtime(manifest, image_graphs, delay=0.002, queue_images=60)

    async def body():
        calls = []
        for start, (size, remaining, leaves) in enumerate(requests):
            images = [IMAGES[(start + step) % len(IMAGES)] for step in range(size)]
            calls.append(asyncio.ensure_future(runtime.score(images, remaining)))
            await asyncio.sleep(0)
            if leaves:
                calls[-1].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    for start, ((size, _, leaves), answer) in enumerate(zip(requests, run(body, runtime), strict=True)):
        if isinstance(answer, list):
            assert len(answer) == size
            for step, score in enumerate(answer):
                expected = reference.stage_scores(IMAGES[(start + step) % len(IMAGES)])[score.exit_stage]
                np.testing.assert_allclose(score.probabilities, expected.probabilities, atol=TOLERANCE)
        else:
            refusals = (DeadlinePassedError, OverloadedError)
            assert isinstance(answer, (*refusals, asyncio.CancelledError) if leaves else refusals)
    assert runtime.waiting == 0
