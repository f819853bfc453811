"""One small run of the whole pipeline, for all tests that look at what it left."""

import pytest

from tests.pipelines.small_pipeline import run_small


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """The folder that the small pipeline runs under."""
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="session")
def first(root):
    """Its first run, and its components' caching by name. Later runs there must not push into its bundles."""
    return run_small(root)
