"""One type for places: a local path, or a URL whose slashes no path library has eaten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from seriatim_errors import DataError

LOCAL, REMOTE = "file", ("s3", "gs")
SETTINGS = ("endpoint_override", "scheme", "region", "anonymous")


@dataclass(frozen=True, init=False)
class Location:
    """A file or folder: `logs/clicks.parquet`, `file:///logs`, `s3://bucket/logs` or `gs://bucket/logs`.

    Behind a remote one may stand settings of the connection, as in `s3://bucket/logs?region=eu-west-1`.

    Attributes:
        text: as given.
    """

    text: str

    def __init__(self, given: str | Path | Location) -> None:
        """Raises ValueError for a scheme or a setting that is not known, credentials, or a URL without a bucket."""
        object.__setattr__(self, "text", str(given))
        if "://" in self.text:
            self._require_known()

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> Location:
        if self.is_local:
            return Location(self.local / name)
        place, mark, settings = self.text.partition("?")
        return Location(f"{place.rstrip('/')}/{name}{mark}{settings}")

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.scheme == LOCAL

    @property
    def local(self) -> Path:
        """The path of a local one.

        Raises:
            DataError: it is remote.
        """
        if not self.is_local:
            raise DataError(f"{self} is not on this machine; mirror it, or give a local path")
        return Path(unquote(urlsplit(self.text).path) if "://" in self.text else self.text)

    def seen_from(self, folder: Path) -> Location:
        """The same place, where a relative path starts from `folder`."""
        return Location(folder / self.local) if self.is_local else self

    @property
    def scheme(self) -> str:
        """`file`, `s3` or `gs`."""
        return self.text.partition("://")[0].lower() if "://" in self.text else LOCAL

    @property
    def bucket(self) -> str:
        """Bucket of a remote one."""
        return self._place[0]

    @property
    def key(self) -> str:
        """Key of a remote one in its bucket, without slashes at its ends; empty for the whole bucket."""
        return self._place[1]

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the connection that stand behind a remote one."""
        return dict(parse_qsl(self.text.partition("?")[2], keep_blank_values=True))

    @property
    def _place(self) -> tuple[str, str]:
        bucket, _, key = self.text.partition("://")[2].partition("?")[0].partition("/")
        return bucket, key.strip("/")

    def _require_known(self) -> None:
        if self.scheme not in (LOCAL, *REMOTE):
            raise ValueError(f"{self.scheme}:// is not read; give a local path, file://, s3:// or gs://")
        if self.is_local:
            if urlsplit(self.text).netloc not in ("", "localhost"):
                raise ValueError("file:// names another machine; write file:/// and the whole path")
            if "?" in self.text or "#" in self.text:
                raise ValueError("? and # end the path of a file:// URL; write them as %3F and %23")
            return
        if not self.bucket:
            raise ValueError(f"names no bucket; write {self.scheme}://BUCKET/KEY")
        if "@" in self.bucket:
            raise ValueError("holds credentials, which would be kept with every run; give them by the environment")
        for name in self.settings:
            if name not in SETTINGS:
                raise ValueError(f"setting {name!r} is not known; behind ? may stand {', '.join(SETTINGS)}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )


def _validated(given: Any) -> Location:
    if not isinstance(given, str | Path | Location) or not str(given):
        raise ValueError("give a path, or a URL with file://, s3:// or gs://")
    return Location(given)
