"""Fixtures that several packages' tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a failure is then always the change's own.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not beside this checkout (../shared/data)")
    return folder
