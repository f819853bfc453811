"""Ports that several processes listen on (SO_REUSEPORT)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from seriatim_errors import ServiceError
from serving.config import ServiceConfig


@dataclass(frozen=True)
class SharedPorts:
    """Ports of a group of processes; `http` is None where nothing is served over HTTP."""

    grpc: int
    http: int | None = None


@contextmanager
def shared_ports(config: ServiceConfig) -> Iterator[SharedPorts]:
    """Hold the configured ports, and free ones in place of 0, for a group of processes.

    Raises:
        ServiceError: a port is in use or the address is not this machine's.
    """
    with ExitStack() as held:
        grpc = held.enter_context(reserved_port(config.listen.host, config.listen.port))
        http = None
        if config.monitoring.port is not None:
            http = held.enter_context(reserved_port(config.monitoring.host, config.monitoring.port, "monitoring."))
        yield SharedPorts(grpc, http)


@contextmanager
def reserved_port(host: str, port: int, section: str = "--") -> Iterator[int]:
    """Hold a port for processes that will share it: bound, but not listening, so that no connection ends here.

    Args:
        section: what stands before `port` and `host` where the user sets them.

    Raises:
        ServiceError: the port is in use or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        try:
            # Bound without SO_REUSEPORT, so that a stranger's server on this port is found and not shared with.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((host, port))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            raise ServiceError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; the port is in use or the address is not "
                f"this machine's; give another {section}port (0 picks a free one) or {section}host"
            ) from None
        yield held.getsockname()[1]
