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
