"""The service's cascade against Keras, row by row, whoever comes when and however little time there is."""

import asyncio

import numpy as np
import pytest

from serving.batching.refusals import DeadlinePassedError, OverloadedError
from serving.config import ImagesConfig
from serving.images import load_cascade
from tests.vision_components.networks import images, network
from vision_components.committees import NEVER, confidence_of
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade

PIXELS = np.rint(images(48, seed=7)).astype(np.uint8)
NAMES = ("bag", "hat", "shoe", "sock")
NEAR = 1e-3


def cascade_that_escalates(share):
    """A cascade of two stages with the threshold that sends a share of `PIXELS` on."""
    stages = [CascadeStage(network(seed, width=4 + 4 * seed, embedding_width=3)) for seed in (0, 1)]
    sure = np.sort(confidence_of(Cascade(stages[:1], [])(PIXELS.astype(np.float32))["probabilities"].numpy()))
    place = round(share * len(sure))
    threshold = {0.0: 0.0, 1.0: NEVER}.get(share)
    return Cascade(stages, [float(sure[place - 1 : place + 1].mean()) if threshold is None else threshold])


def served(folder, requests, remaining=lambda: None, **settings):
    """Scores of requests, index arrays into `PIXELS`, that begin in a random order; None for what was refused."""

    async def answer():
        runtime = load_cascade(folder, ImagesConfig(cascade=folder, **settings))
        rng = np.random.default_rng(1)

        async def call(rows):
            for _ in range(rng.integers(30)):
                await asyncio.sleep(0)
            try:
                return await runtime.score(list(PIXELS[rows]), remaining())
            except (DeadlinePassedError, OverloadedError):
                return None

        try:
            return await asyncio.gather(*map(call, requests))
        finally:
            await runtime.close()

    return asyncio.run(answer())


def requests(count=40):
    rng = np.random.default_rng(2)
    return [rng.integers(len(PIXELS), size=rng.integers(1, 9)) for _ in range(count)]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_every_row_is_answered_as_keras_answers_it(tmp_path, share, delay):
    cascade = cascade_that_escalates(share)
    folder = export_cascade(cascade, tmp_path, "v1", NAMES, PIXELS[:2])
    expected = cascade.predict_adaptive(PIXELS)
    own = [stage.model(PIXELS.astype(np.float32))["embedding"].numpy() for stage in cascade.stages]
    sure = Cascade(cascade.stages[:1], []).predict_adaptive(PIXELS).confidence
    asked = requests()
    for rows, scores in zip(asked, served(folder, asked, delay_ms=delay), strict=True):
        assert len(scores) == len(rows)
        for row, score in zip(rows, scores, strict=True):
            assert not score.cut_short
            if abs(sure[row] - cascade.thresholds[0]) < NEAR:
                continue
            assert score.exit_stage == expected.exit_stage[row]
            np.testing.assert_allclose(score.probabilities, expected.probabilities[row], atol=1e-4)
            np.testing.assert_allclose(score.embedding, own[score.exit_stage][row], atol=1e-4)


def test_with_little_time_a_row_is_answered_whole_cut_short_or_not_at_all(tmp_path):
    cascade = cascade_that_escalates(1.0)
    folder = export_cascade(cascade, tmp_path, "v1", NAMES, PIXELS[:2])
    whole = cascade.predict_adaptive(PIXELS)
    first = Cascade(cascade.stages[:1], []).predict_adaptive(PIXELS)
    rng = np.random.default_rng(3)
    asked = requests(60)
    answers = served(folder, asked, remaining=lambda: float(rng.uniform(0.0005, 0.05)))
    for rows, scores in zip(asked, answers, strict=True):
        for row, score in zip(rows, scores or (), strict=False):
            expected = first if score.cut_short else whole
            assert score.exit_stage == expected.exit_stage[row]
            np.testing.assert_allclose(score.probabilities, expected.probabilities[row], atol=1e-4)
