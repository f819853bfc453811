"""A bundle for all tests of the service."""

import pytest

from serving.images.batch_times import BatchTimes
from serving.images.loading import warm_up
from serving.images.stage_graph import load_stages
from serving.runtime import SlateRanker
from tests.chromium import chromium
from tests.serving.held_stages import BUCKETS
from tests.serving.small_bundles import make_bundle
from tests.serving.small_cascades import make_cascade


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def ranker(bundle):
    return SlateRanker(bundle)


@pytest.fixture(scope="session")
def labelled_bundle(tmp_path_factory):
    kinds = ("base_ranker", "gate", "seq2slate", "labeller")
    return make_bundle(tmp_path_factory.mktemp("labelled"), kinds=kinds)


@pytest.fixture(scope="session")
def labelled_ranker(labelled_bundle):
    return SlateRanker(labelled_bundle)


@pytest.fixture(scope="session")
def image_cascade(tmp_path_factory):
    return make_cascade(tmp_path_factory.mktemp("cascade"))


@pytest.fixture(scope="session")
def image_graphs(image_cascade):
    return load_stages(image_cascade.folder, image_cascade.manifest)


@pytest.fixture(scope="session")
def manifest(image_cascade):
    return image_cascade.manifest


# It learns from what a test runs.
@pytest.fixture(scope="module")
def times(image_graphs):
    times = BatchTimes(BUCKETS)
    warm_up(image_graphs, times)
    return times


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
