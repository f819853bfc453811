"""Tokens: random, kept only as hashes, each with a role and perhaps an end."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import threading
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from seriatim_errors import ConfigError

TOKEN_BYTES = 32
logger = logging.getLogger(__name__)


class Role(str, Enum):
    """What a token's bearer may do: rank and record, or set traffic as well."""

    CALLER = "caller"
    ADMIN = "admin"


class TokenEntry(BaseModel):
    """One token of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Role
    expires: AwareDatetime | None = None


ENTRIES = TypeAdapter(list[TokenEntry])


def new_token() -> str:
    """256 random bits, as text that fits into a header."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What the file keeps of a token. It is random and long, so that a plain hash cannot be searched back."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """The tokens of a YAML file, read again when it changes.

    A change that cannot be read opens no door and closes none: the last good list holds, and the log says why.

    Raises:
        ConfigError: the file cannot be read or is not a list of tokens; no value of it is quoted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._entries = self._read()

    def role_of(self, token: str, now: datetime | None = None) -> Role | None:
        """The role of a token; None for one that is unknown or has expired. Takes as long for either."""
        self._refresh()
        given, found = token_hash(token), None
        for entry in self._entries:
            if hmac.compare_digest(entry.sha256, given):
                found = entry
        if found is None:
            return None
        if found.expires is not None and found.expires <= (now or datetime.now(timezone.utc)):
            return None
        return found.role

    def _refresh(self) -> None:
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            with self._lock:
                self._entries, self._stamp = self._read(), stamp
        except ConfigError as error:
            logger.error("%s; the tokens from before hold", error)

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise ConfigError(f"listen.tokens {self._path}: {error.strerror}; give a file of tokens") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> tuple[TokenEntry, ...]:
        try:
            if os.name == "posix" and self._path.stat().st_mode & 0o004:
                logger.warning("%s can be read by everybody; chmod o-r", self._path)
            values = yaml.safe_load(self._path.read_text(encoding="utf-8"))
            entries = ENTRIES.validate_python([] if values is None else values)
        except OSError as error:
            raise ConfigError(f"listen.tokens {self._path}: {error.strerror}; give a file of tokens") from None
        except (yaml.YAMLError, UnicodeError):
            raise ConfigError(f"listen.tokens {self._path} is not YAML; give a list of tokens") from None
        except ValidationError as error:
            mistake = error.errors()[0]
            place = ".".join(map(str, mistake["loc"]))
            raise ConfigError(f"listen.tokens {self._path}: entry {place}: {mistake['msg']}") from None
        names = [entry.name for entry in entries]
        if len(set(names)) != len(names):
            raise ConfigError(f"listen.tokens {self._path}: a name stands twice; name every token once")
        return tuple(entries)
