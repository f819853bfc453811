"""Paths of what must lie on this machine: a URL is refused, where a path would quietly lose one of its slashes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from pipelines.locations.location import Location


def _of_this_machine(given: Any) -> Any:
    if isinstance(given, str) and "://" in given:
        location = Location(given)
        if not location.is_local:
            raise ValueError("this must lie on this machine; give a local path")
        return location.local
    return given


# The type of a configuration key that names a path here, which no URL to a store may stand for.
LocalPath = Annotated[Path, BeforeValidator(_of_this_machine)]
