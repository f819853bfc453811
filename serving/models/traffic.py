"""Traffic rules and the file that keeps them for all processes and for the next start."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from seriatim_errors import ServiceError

TRAFFIC_FILE = ".traffic.json"


class TrafficError(ServiceError):
    """Traffic rules that cannot be: a version that is not there or not sound, a share that is none."""

    exit_code = 6


@dataclass(frozen=True)
class Traffic:
    """The rules.

    Attributes:
        stable: version of most requests; empty for the newest that is sound.
        canary: version of a share of the requests; empty for none.
        canary_share: 0 to 1.
        shadow: version that ranks copies of a share of the requests, unseen; empty for none.
        shadow_share: 0 to 1.

    Raises:
        TrafficError: a share is outside 0 to 1, or is given without its version.
    """

    stable: str = ""
    canary: str = ""
    canary_share: float = 0.0
    shadow: str = ""
    shadow_share: float = 0.0

    def __post_init__(self) -> None:
        for name, version, share in (
            ("canary", self.canary, self.canary_share),
            ("shadow", self.shadow, self.shadow_share),
        ):
            if not (math.isfinite(share) and 0 <= share <= 1):
                raise TrafficError(f"{name}_share: {share}; give 0 to 1")
            if share > 0 and not version:
                raise TrafficError(f"{name}_share: {share} without a {name}; name its version")

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that the rules name."""
        return tuple(version for version in (self.stable, self.canary, self.shadow) if version)


@dataclass(frozen=True)
class Rules:
    """What the file holds: the rules in force and those before them."""

    traffic: Traffic = Traffic()
    before: Traffic | None = None


def read_rules(root: Path) -> Rules:
    """The rules of the bundles under `root`; where there is no file, the newest bundle gets all traffic.

    Raises:
        TrafficError: the file is not what `write_rules` writes.
    """
    path = root / TRAFFIC_FILE
    try:
        return TypeAdapter(Rules).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return Rules()
    except (OSError, ValidationError, TrafficError) as error:
        raise TrafficError(f"{path} holds no traffic rules: {error}; mend or remove it") from None


def write_rules(root: Path, rules: Rules) -> None:
    """Replace the file in one step, durably.

    Raises:
        TrafficError: it cannot be written.
    """
    path, partial = root / TRAFFIC_FILE, root / f"{TRAFFIC_FILE}.{os.getpid()}"
    try:
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(asdict(rules), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrafficError(f"{path} cannot be written: {error.strerror}; the rules stay as they were") from None
