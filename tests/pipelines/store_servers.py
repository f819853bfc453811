"""Servers of stores of their own for tests: S3's protocol and that of Google Cloud Storage, on the loopback."""

import contextlib
import os
import subprocess
import sys
import threading
import urllib.request
from datetime import timedelta
from urllib.parse import quote

import pytest
from pyarrow import fs

from tests.free_port import free_port

# Another interpreter may have the servers where this one has not.
PYTHON = os.environ.get("SERIATIM_STORES_PYTHON", sys.executable)
KEY = "of-the-tests"


class StoreServer:
    """A running server.

    Attributes:
        scheme: of its URLs, `s3` or `gs`.
        environment: what leads Seriatim to it.
        address: of the server, `http://host:port`.
        store: to make buckets and objects with, and to look at them.
    """

    def __init__(self, scheme, port):
        self.scheme, self.address = scheme, f"http://127.0.0.1:{port}"
        place = {"scheme": "http", "endpoint_override": f"127.0.0.1:{port}"}
        if scheme == "s3":
            keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
            self.environment = {**keys, "AWS_ENDPOINT_URL": self.address}
            may = {"allow_bucket_creation": True, "allow_bucket_deletion": True}
            self.store = fs.S3FileSystem(access_key=KEY, secret_key=KEY, region="us-east-1", **place, **may)
        else:
            self.environment = {"STORAGE_EMULATOR_HOST": self.address}
            self.store = fs.GcsFileSystem(anonymous=True, retry_time_limit=timedelta(seconds=10), **place)

    @property
    def bucket(self):
        """URL of the bucket that the tests use."""
        return f"{self.scheme}://bucket"

    def put(self, key, content):
        """Make or replace an object; its key begins with the bucket's name."""
        if self.scheme == "s3" or not content:
            with self.store.open_output_stream(key) as stream:
                stream.write(content)
            return
        # The emulator lets Arrow wait a second before it takes what it sends; and nothing is no body to it.
        bucket, _, name = key.partition("/")
        self._ask(f"upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}", content)

    def reset(self):
        """Forget all buckets."""
        self.tell("moto-api/reset" if self.scheme == "s3" else "wipe", "" if self.scheme == "s3" else None)

    def tell(self, path, body=None):
        """Ask the server for what no store has; with a body, which may be empty, by POST."""
        self._ask(path, None if body is None else body.encode())

    def _ask(self, path, content):
        asked = urllib.request.Request(f"{self.address}/{path}", content, {"Content-Type": "text/plain"})
        urllib.request.urlopen(asked).close()


@contextlib.contextmanager
def store_server(scheme):
    """A server on a free port of 127.0.0.1; the test is skipped, by name, where its package is not here."""
    package, module = ("moto", "moto.server") if scheme == "s3" else ("gcp-storage-emulator", "gcp_storage_emulator")
    if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode:
        pytest.skip(f"{package} is not here (Python package)")
    port = str(free_port())
    if scheme == "s3":
        command, ready = [PYTHON, "-m", module, "-H", "127.0.0.1", "-p", port], "Running on"
    else:
        options = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
        command, ready = [PYTHON, "-u", "-m", module, *options], "All services started"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError("".join(said))
        # It tells of every request, and would stop when nobody read that.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield StoreServer(scheme, port)
        finally:
            process.terminate()
