"""A bundle for all tests of the service."""

import pytest

from serving.runtime import SlateRanker
from tests.serving.small_bundles import make_bundle


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
