"""A PostgreSQL server of its own for a test."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.free_port import free_port

USER = "seriatim"


@contextlib.contextmanager
def postgresql():
    """A server on a free port of 127.0.0.1, with its files in a folder that goes with it; yields the port.

    The test is skipped, by name, where PostgreSQL is not here.
    """
    # Debian keeps its programs off the path.
    found = [shutil.which("postgres"), *Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    programs = next((Path(one).resolve().parent for one in found if one is not None), None)
    if programs is None:
        pytest.skip("postgres is not here (Debian package postgresql)")
    # Not in pytest's folder, which only its owner may enter: the server refuses to be run by root.
    with tempfile.TemporaryDirectory(prefix="seriatim-postgresql-") as folder:
        as_other = []
        if os.geteuid() == 0:
            as_other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(folder, "nobody", "nogroup")
        data = Path(folder) / "data"
        make = [*as_other, programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync"]
        subprocess.run(make, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)
        port = free_port()
        serve = [*as_other, programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with _running(serve, folder):
            yield port


@contextlib.contextmanager
def _running(command, folder):
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)
