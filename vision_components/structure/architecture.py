"""A found architecture: which channels of each group live, rounded group by group and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from seriatim_errors import DataError
from vision_components.structure.channel_graph import Alive, ChannelGraph
from vision_components.structure.liveness import liveness

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class WidthChange:
    """Channels of one group before and after.

    Attributes:
        group: its name.
        before, after: numbers of channels.
    """

    group: str
    before: int
    after: int


class Architecture:
    """Which channels of a model live.

    Each group keeps at least `floor` channels, and where `round_to` asks for it a multiple of that number, rounded to
    the nearest and never beyond what there is: channels with the largest strength are added, those with the smallest
    dropped. A group without a channel vanishes if everything that it feeds can do without, as a residual branch can;
    otherwise it keeps its strongest channels.

    Args:
        graph: of the model.
        alive: by group whether each channel lives.
        floor: channels that a group keeps at least, 1 or more.
        round_to: widths become multiples of it where the group is as wide.
        strength: by group a number for each channel, of which the order decides; the channels' order where None.
        removed: names of layers of which the output counts as zero, such as operators that were all switched off.

    Attributes:
        alive: after rounding.
        removed: as given.

    Raises:
        DataError: a group is missing or has another number of channels, the floor or the rounding is not positive, or
            a removed layer is none of the model's or cannot be done without.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        alive: Alive,
        floor: int = 1,
        round_to: int = 1,
        strength: Mapping[str, ArrayLike] | None = None,
        removed: Collection[str] = (),
    ) -> None:
        if floor < 1 or round_to < 1:
            raise DataError(f"floor {floor}, round_to {round_to}; give 1 or more")
        foreign = sorted(set(removed) - {step.name for step in graph.calls.steps})
        if foreign:
            raise DataError(f"removed: {', '.join(foreign)} are no layers of {graph.model.name}")
        self.graph = graph
        self.removed = tuple(sorted(removed))
        found = graph.checked(alive)
        order = {name: _order(name, mask, strength) for name, mask in found.items()}
        wanted = {name: int(mask.sum()) for name, mask in found.items()}
        widths = {
            name: max(rounded(wanted[name], round_to, len(mask)), min(floor, len(mask))) for name, mask in found.items()
        }
        liveness(graph, widths, self.removed).require()
        for name in [name for name, width in wanted.items() if width == 0]:
            if liveness(graph, {**widths, name: 0}, self.removed).broken is None:
                widths[name] = 0
        self.alive = {name: _first(order[name], widths[name]) for name in found}

    @property
    def widths(self) -> dict[str, int]:
        """Channels of each group that live."""
        return {name: int(mask.sum()) for name, mask in self.alive.items()}

    def changes(self) -> tuple[WidthChange, ...]:
        """Widths before and after, in the model's order."""
        return tuple(WidthChange(name, len(mask), int(mask.sum())) for name, mask in self.alive.items())

    def save(self, path: Path) -> None:
        """Write as JSON, with a fingerprint of the model that it is of."""
        values = {
            "schema_version": SCHEMA_VERSION,
            "model": self.graph.model.name,
            "fingerprint": self.graph.fingerprint(),
            "removed": self.removed,
            "alive": {name: mask.astype(int).tolist() for name, mask in self.alive.items()},
        }
        path.write_text(json.dumps(values) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, graph: ChannelGraph) -> Architecture:
        """Read what `save` wrote.

        Args:
            path: of the file.
            graph: of the model that it was found on, pinned and tied as then.

        Raises:
            DataError: the file is missing, is no such JSON, of another schema version or of another model.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"architecture {path}: {error}; give a file that Architecture.save wrote") from None
        try:
            version = json.loads(text).get("schema_version")
            if version != SCHEMA_VERSION:
                raise DataError(f"architecture {path}: schema_version {version!r}, this release reads {SCHEMA_VERSION}")
            found = _File.model_validate_json(text)
        except (ValueError, AttributeError, ValidationError) as error:
            raise DataError(
                f"architecture {path} is malformed ({error}); give one that Architecture.save wrote"
            ) from None
        if found.fingerprint != graph.fingerprint():
            raise DataError(
                f"architecture {path} is of the model {found.model}, whose layers or groups are not those of "
                f"{graph.model.name}; give the model it was found on, pinned and tied as then"
            )
        return cls(graph, {name: np.array(mask, bool) for name, mask in found.alive.items()}, removed=found.removed)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    model: str
    fingerprint: str
    removed: list[str]
    alive: dict[str, list[bool]]


def rounded(width: int, multiple: int, most: int) -> int:
    """The multiple nearest to a width, upwards from half of one, and none beyond `most`; nothing stays nothing.

    Where `most` is no multiple itself, it is allowed as the end of the scale.

    Args:
        width: number of channels, 0 or more.
        multiple: 1 or more.
        most: number of channels that there are.
    """
    if width == 0:
        return 0
    return min(max(multiple, (2 * width + multiple) // (2 * multiple) * multiple), most)


def _order(name: str, mask: NDArray[np.bool_], strength: Mapping[str, ArrayLike] | None) -> NDArray[np.int64]:
    """Channels from the first to keep to the last: the living before the others, the strong before the weak."""
    if strength is None:
        values = np.zeros(len(mask))
    elif name not in strength or np.shape(strength[name]) != mask.shape:
        raise DataError(f"strength of {name}: give {len(mask)} numbers")
    else:
        values = np.asarray(strength[name], float)
    return np.lexsort((-values, ~mask))


def _first(order: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    found = np.zeros(len(order), bool)
    found[order[:width]] = True
    return found
