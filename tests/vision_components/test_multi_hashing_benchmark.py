"""The benchmark of multi-hashing compares networks of one size and counts what it says."""

import numpy as np
import pytest

from benchmarks import image_training, multi_hashing
from benchmarks.cifar10 import Cifar10, Images
from benchmarks.multi_hashing import DENSE, METHODS, NARROWER, PLAIN, STRUCTURED, Trial, network, summary, variables
from benchmarks.step_times import step_time_ratio
from vision_components.backbones import resnet


def noise(rows, seed=0):
    rng = np.random.default_rng(seed)
    return Images(rng.integers(256, size=(rows, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=rows))


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
def test_networks_of_one_size_have_as_many_variables(share):
    counts = {method: variables(network(Trial(method, share, 0), 8)) for method in METHODS}
    dense = variables(network(Trial(DENSE, 1.0, 0), 8))
    assert all(count <= share * dense for count in counts.values())
    assert counts[NARROWER] > 0.6 * share * dense
    for method in (STRUCTURED, PLAIN):
        assert counts[NARROWER] * 0.9 < counts[method] <= counts[NARROWER]


def test_results_that_are_there_are_not_made_again(tmp_path, monkeypatch):
    trial, train = Trial(STRUCTURED, 0.5, 0), noise(256)
    data = Cifar10((), train, noise(50, 1), noise(50, 2))
    given = (trial, [{"pool_rate": 1.0}], train, data, 8, 1, tmp_path, "mixed_bfloat16")
    first = multi_hashing._result(*given)
    assert first["variables"] == variables(network(trial, 8))
    monkeypatch.setattr(multi_hashing, "trained", lambda *arguments: pytest.fail("trained again"))
    assert multi_hashing._result(*given) == first


def test_the_rate_that_is_best_on_held_out_images_is_kept(tmp_path, monkeypatch):
    reached = iter([0.3, 0.5, 0.4, 0.45])
    monkeypatch.setattr(multi_hashing, "accuracy", lambda model, images: next(reached))
    monkeypatch.setattr(multi_hashing, "trained", lambda *arguments, **rates: None)
    rates = [{"pool_rate": rate} for rate in (1.0, 2.0, 4.0)]
    data = Cifar10((), noise(1), noise(1), noise(1))
    found = multi_hashing._result(Trial(PLAIN, 0.5, 0), rates, noise(1), data, 8, 1, tmp_path, "float32")
    assert (found["pool_rate"], found["accuracy"]) == (2.0, 0.45)


def test_differences_are_paired_by_seed():
    made = {STRUCTURED: (0.80, 0.70, 0.75), NARROWER: (0.78, 0.66, 0.69), PLAIN: (0.70, 0.60, 0.65)}
    results = {
        Trial(method, 0.1, seed): {"accuracy": value, "variables": 10, "bytes": 1000.0}
        for method, values in made.items()
        for seed, value in enumerate(values)
    }
    rows, figures = summary(results)
    # Differences 0.02, 0.04, 0.06; Student's t for two degrees of freedom is 4.3027.
    half = 4.3027 * 0.02 / np.sqrt(3)
    [narrow] = [row for row in rows if row["method"] == NARROWER]
    assert narrow["structured minus this"] == pytest.approx(0.04)
    assert (narrow["low"], narrow["high"]) == pytest.approx((0.04 - half, 0.04 + half), abs=1e-5)
    assert figures["structured_minus_plain_at_0.1"] == pytest.approx(0.1)


def test_step_times_are_compared_in_turns():
    small, large = (resnet(8, 10, width=width) for width in (2, 4))
    assert step_time_ratio(small, large, noise(128)) > 0


@pytest.mark.parametrize("method", [STRUCTURED, PLAIN])
def test_a_pool_takes_no_longer_step_than_its_rate_allows(method):
    learner = network(Trial(method, 0.5, 0), 8)
    data = noise(image_training.BATCH)
    before = {variable.name: variable.numpy() for variable in learner.trainable_variables}
    steep = 1e6
    image_training.trained(
        learner, data, 1, 0, loss=lambda *given: steep * image_training.cross_entropy(*given), pool_rate=4.0
    )
    moved = [v.numpy() - before[v.name] for v in learner.trainable_variables if image_training._is_pooled(v)]
    # The first rate of a cycle; Nesterov's momentum adds its share to the step, and decay moves a little.
    rate = float(image_training.one_cycle(1, image_training.PEAK_RATE)(0))
    longest = rate * 4.0 * image_training.POOL_NORM * 1.9
    assert 0 < np.sqrt(sum((step**2).sum() for step in moved)) <= longest + 1e-5
