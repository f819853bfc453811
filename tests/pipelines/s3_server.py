"""An S3 server of its own for tests, and what one does to it that Seriatim does not."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
from pyarrow import fs

# Another interpreter may have moto where this one has not.
PYTHON = os.environ.get("SERIATIM_MOTO_PYTHON", sys.executable)
KEYS = {"AWS_ACCESS_KEY_ID": "of-the-tests", "AWS_SECRET_ACCESS_KEY": "of-the-tests"}


class S3Server:
    """A running server.

    Attributes:
        address: as in `AWS_ENDPOINT_URL`.
        store: to make buckets and objects with, and to look at them.
    """

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.store = fs.S3FileSystem(
            access_key="of-the-tests", secret_key="of-the-tests", region="us-east-1", scheme="http",
            endpoint_override=f"127.0.0.1:{port}", allow_bucket_creation=True, allow_bucket_deletion=True,
        )  # fmt: skip

    def put(self, key, content):
        """Make or replace an object; its key begins with the bucket's name."""
        with self.store.open_output_stream(key) as stream:
            stream.write(content)

    def tell(self, path, body=""):
        """Ask the server for what no S3 has."""
        url, plain = f"{self.address}/moto-api/{path}", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, body.encode(), plain)).close()


@contextlib.contextmanager
def s3_server():
    """A server on a free port of 127.0.0.1; the test is skipped, by name, where moto is not here."""
    if subprocess.run([PYTHON, "-c", "import moto.server"], capture_output=True, check=False).returncode:
        pytest.skip("moto is not here (Python package moto, with flask and flask-cors)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Running on" in line:
                break
        else:
            raise AssertionError("".join(said))
        # It tells of every request, and would stop when nobody read that.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield S3Server(port)
        finally:
            process.terminate()
