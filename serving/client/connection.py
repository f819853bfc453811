"""How a client reaches the service: addresses, encryption, token, retries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from seriatim_errors import ConfigError

LOOPBACK_HOSTS = ("localhost", "127.", "[::1]", "unix:")
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


@dataclass(frozen=True)
class Tls:
    """Files for an encrypted connection, PEM.

    Attributes:
        ca: who signed the server's certificate; None: the authorities that gRPC trusts.
        certificate, key: what the client shows, where the server asks for it.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """The credentials of a channel.

        Raises:
            ConfigError: a file cannot be read, or a certificate comes without its key.
        """
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("certificate and key belong together; give both or none")
        return grpc.ssl_channel_credentials(
            _read("ca", self.ca), _read("key", self.key), _read("certificate", self.certificate)
        )


@dataclass(frozen=True)
class Connection:
    """Everything that a channel is made of.

    Attributes:
        targets: addresses `host:port` that calls are spread over, or one name that stands for several (`dns:///NAME`).
        tls: None for a connection in the clear.
        token: of the caller; None without.
        retries: whether a call is sent again when a server is gone.
        compression: whether messages are sent as gzip.
    """

    targets: tuple[str, ...]
    tls: Tls | None = None
    token: str | None = None
    retries: bool = True
    compression: bool = False

    @property
    def target(self) -> str:
        """As gRPC reads it."""
        return self.targets[0] if len(self.targets) == 1 else f"ipv4:{','.join(self.targets)}"

    @property
    def options(self) -> list[tuple[str, int | str]]:
        """Of the channel."""
        return [
            ("grpc.service_config", ROUND_ROBIN),
            # gRPC garbles a compressed message that it sends for the second time.
            ("grpc.enable_retries", 0 if self.compression else 1),
            # A proxy from the environment cannot reach this machine's loopback address.
            ("grpc.enable_http_proxy", 0 if self.targets[0].startswith(LOOPBACK_HOSTS) else 1),
            # Servers drop who pings more often than every ten seconds.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """Of every call."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    @property
    def gzip(self) -> grpc.Compression:
        """How messages are sent."""
        return grpc.Compression.Gzip if self.compression else grpc.Compression.NoCompression

    def __repr__(self) -> str:
        return f"Connection({', '.join(self.targets)})"


def connection_of(
    target: str | Sequence[str], tls: Tls | None, token: str | None, retries: bool, compression: bool
) -> Connection:
    """A connection to one address or several.

    Raises:
        ConfigError: there is no address.
    """
    targets = (target,) if isinstance(target, str) else tuple(target)
    if not targets or not all(targets):
        raise ConfigError("target is empty; give the service's address as host:port")
    return Connection(targets, tls, token, retries, compression)


def _read(what: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}; give a readable PEM file") from None
