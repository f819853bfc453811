"""The service in environments of its own: other Pythons, other protobufs, the serving extra alone."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.found_uv import found_uv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = [("3.10", "protobuf==3.20.3"), ("3.12", "protobuf>=5,<6"), ("3.12", "protobuf>=6,<7")]
PROGRAM = """
import asyncio, importlib, importlib.metadata, importlib.util, pkgutil, sys
from pathlib import Path

import numpy as np

import serving

assert importlib.util.find_spec("tensorflow") is None
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    importlib.import_module(module.name)
from serving.bundle import open_bundle
from serving.client import RankingClient
from serving.config import ServiceConfig
from serving.runtime import SlateRanker
from serving.service import Service

bundle = open_bundle(Path(sys.argv[1]))
query = SlateRanker(bundle).golden_query(bundle.golden(), 0)

async def serve():
    service = Service(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": {"port": 0}}))
    port = await service.start()
    def ask():
        with RankingClient(f"127.0.0.1:{port}") as client:
            return client.rank("r", query.item_ids, query.features, query.slate_size, context=query.context)
    slate = await asyncio.to_thread(ask)
    await service.stop()
    return [item.item_id for item in slate.items]

expected = bundle.golden().slates[0]
assert asyncio.run(serve()) == [query.item_ids[row] for row in expected[expected >= 0]]
print(sys.version_info[:2], importlib.metadata.version("protobuf"))
"""


def found_python(uv, version):
    found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return found.stdout.strip()
    # pyenv's shim stands on the path and runs only the version that it was told to.
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next(map(str, sorted(versions.glob(f"{version}.*/bin/python"))), None)


@pytest.fixture(scope="module")
def uv():
    return found_uv() or pytest.skip("uv is not here: it makes the environments")


@pytest.mark.parametrize(("python", "protobuf"), ENVIRONMENTS)
def test_the_service_serves_with_its_extra_alone(uv, python, protobuf, labelled_bundle, tmp_path):
    interpreter = found_python(uv, python) or pytest.skip(f"no Python {python} is here")
    environment = tmp_path / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", interpreter, str(environment)], check=True)
    inside = environment / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", str(inside), f"{ROOT}[serving]", protobuf]
    subprocess.run(install, check=True)
    # From elsewhere: the checkout must not be what is imported.
    finished = subprocess.run(
        [str(inside), "-c", PROGRAM, str(labelled_bundle.folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    major, minor = python.split(".")
    assert finished.stdout.startswith(f"({major}, {minor})")
