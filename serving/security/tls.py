"""TLS of the server, with client certificates where the configuration asks for them."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from seriatim_errors import ConfigError
from serving.config import ListenConfig


def server_credentials(config: ListenConfig) -> grpc.ServerCredentials | None:
    """The credentials that `listen` configures; None for a server in the clear.

    Raises:
        ConfigError: a file is missing or is no PEM file, or the key is not the certificate's; the message names it.
    """
    if config.tls_certificate is None or config.tls_key is None:
        return None
    certificate, key = _read("tls_certificate", config.tls_certificate), _read("tls_key", config.tls_key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_certificate, config.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"listen.tls_certificate {config.tls_certificate} and listen.tls_key {config.tls_key} do not make a pair: "
            f"{getattr(error, 'reason', None) or error}; give PEM files of a certificate chain and its private key"
        ) from None
    authority = None
    if config.client_ca is not None:
        authority = _read("client_ca", config.client_ca)
        try:
            ssl.create_default_context(cafile=config.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"listen.client_ca {config.client_ca} holds no certificate: {getattr(error, 'reason', None) or error}; "
                "give a PEM file"
            ) from None
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=authority, require_client_auth=authority is not None
    )


def _read(field: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"listen.{field} {path}: {error.strerror}; give a readable PEM file") from None
