"""Where Redis is: an address that can be shown, apart from the password that cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from seriatim_errors import ConfigError

# No colon, which ends the prefix, and nothing that a pattern of SCAN would take for a wildcard.
PREFIX = re.compile(r"[0-9A-Za-z._{}-]+")
PLACES = ("host", "port", "db", "path", "username", "password")
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
FORMS = (
    "give redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], rediss://... for TLS or unix:///PATH[?db=DB], and write special "
    "characters of a password as %XX"
)


@dataclass(frozen=True)
class RedisAddress:
    """An address of Redis.

    Attributes:
        shown: host, port and database, or the socket's path, for messages.
        kind: of connection.
        options: what a connection is made with, the password included; never shown.
    """

    shown: str
    kind: Literal["tcp", "tls", "unix"]
    options: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read `redis://[[user]:password@]host[:port][/db]`, `rediss://...` (TLS) or `unix:///path[?db=0]`.

        Raises:
            ConfigError: it is none of these. The message does not repeat the URL, which may hold a password.
        """
        try:
            options: dict[str, Any] = dict(parse_url(url))
            path = urlsplit(url).path.strip("/")
        except ValueError:
            raise ConfigError(f"the address of Redis cannot be read; {FORMS}") from None
        options.pop("connection_class", None)
        scheme = url.partition(":")[0]
        for name in options:
            if name not in PLACES and not (scheme == "rediss" and name in TLS_OPTIONS):
                raise ConfigError(f"the address of Redis: unknown option {name!r}; {FORMS}")
        if scheme == "unix":
            return cls(f"unix socket {options.get('path')}", "unix", options)
        if path and "db" not in options:
            raise ConfigError(f"the address of Redis: database {path!r} is no number; {FORMS}")
        options = {"host": "localhost", "port": 6379, "db": 0, **options}
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        shown = f"{host}:{options['port']}/{options['db']}"
        if scheme == "rediss":
            # The client would take any certificate that some authority has signed, for whatever host.
            return cls(shown, "tls", {"ssl_check_hostname": True, **options})
        return cls(shown, "tcp", options)

    def without_secrets(self, text: str) -> str:
        """`text` with the password taken out: a server may repeat a command that it does not accept."""
        password = self.options.get("password")
        return text.replace(password, "***") if password else text


def key_prefix(prefix: str) -> bytes:
    """The beginning of every key.

    Raises:
        ConfigError: the prefix holds a character that keys cannot be told apart with.
    """
    if not PREFIX.fullmatch(prefix):
        raise ConfigError(f"prefix {prefix!r} of keys in Redis: give letters, digits, '.', '_', '-', '{{' or '}}'")
    return prefix.encode() + b":"
