"""Fixtures that several packages' tests share, and how files are dealt out to processes side by side."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

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


# Files whose tests look at one thing that is long to make, and is then made once: a run of the whole pipeline, and a
# folder of all that the documents' commands name.
SHARED = {
    **{
        f"tests/pipelines/test_{name}.py": "one run" for name in ("multi_processing", "pipeline", "pipeline_evaluation")
    },
    **{f"tests/pipelines/shown_commands/test_shown_{name}.py": "workspace" for name in ("commands", "python")},
}


def together(nodeid):
    """What a test shares its process with: its file, or what several files share."""
    file = nodeid.split("::")[0]
    return SHARED.get(file, file)


class FileScheduling(LoadScopeScheduling):
    """Deals out files, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items):
    """Long files go first, lest one process is left with one when the others have ended."""
    slow = Counter(together(item.nodeid) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[together(item.nodeid)], together(item.nodeid)))
