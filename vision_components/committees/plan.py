"""A chosen cascade, to be built from its models and kept as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from seriatim_errors import DataError
from vision_components.committees.confidence import Confidence
from vision_components.committees.routing import Combine

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CascadePlan:
    """Which models, in which order, and when a row leaves.

    Attributes:
        members: names of the models.
        thresholds: of all but the last.
        confidence, combine: as in `route`.
        accuracy: on the held-out rows that it was chosen by: an optimist's figure, for the best of many is chosen.
        expected_cost, best_cost, worst_cost: multiply-adds of a row.
        reach: share of these rows that come to each stage.
    """

    members: tuple[str, ...]
    thresholds: tuple[float, ...]
    confidence: Confidence
    combine: Combine
    accuracy: float
    expected_cost: float
    best_cost: float
    worst_cost: float
    reach: tuple[float, ...]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> CascadePlan:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, is no such JSON or of another schema version.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            version = values.pop("schema_version")
            plan = TypeAdapter(cls).validate_python(values)
        except OSError as error:
            raise DataError(f"cascade plan {path}: {error.strerror}; give a file that CascadePlan.save wrote") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"cascade plan {path} is malformed ({error}); give one that CascadePlan.save wrote"
            ) from None
        if version != SCHEMA_VERSION:
            raise DataError(f"cascade plan {path}: schema_version {version!r}, this release reads {SCHEMA_VERSION}")
        return plan
