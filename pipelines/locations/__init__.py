"""Where files lie: on this machine, or in a store that is mirrored to it."""

from pipelines.locations.folder import LocalPath
from pipelines.locations.location import Location

__all__ = ["LocalPath", "Location"]
