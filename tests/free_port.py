"""A port that nobody listens on."""

import socket


def free_port():
    """Such a port of this machine; whoever takes it soon has it for himself."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
