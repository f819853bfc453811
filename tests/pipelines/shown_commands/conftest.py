"""The workspace that all shown commands and blocks of Python are run in."""

import contextlib
import sys

import pytest

from pipelines import shipped_configs
from tests.pipelines.shown_commands.executed import Executor, environment
from tests.pipelines.shown_commands.workspace import build_workspace


@pytest.fixture(scope="package")
def built(tmp_path_factory):
    """What runs commands in a workspace, and the servers that it has started."""
    with contextlib.ExitStack() as closing:
        yield Executor(build_workspace(tmp_path_factory.mktemp("shown")), closing)


@pytest.fixture
def executor(built, monkeypatch):
    """The same, in the workspace as current folder."""
    monkeypatch.chdir(built.folder)
    # A shipped configuration that a command names is the workspace's small one.
    monkeypatch.setattr(shipped_configs, "FOLDERS", (built.folder / "configs",))
    # TFX reads options of its own out of it, and would read those of pytest.
    monkeypatch.setattr(sys, "argv", ["seriatim"])
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return built
