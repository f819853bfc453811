"""What a channel graph found, to be read by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GraphReport:
    """Groups, what stays, what no rule covers.

    Attributes:
        groups: by name the number of channels and the layers that make them.
        pinned: by the layer that makes them, why channels stay.
        unknown: names and classes of the layers without a rule.
    """

    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    pinned: Mapping[str, tuple[str, ...]]
    unknown: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"{len(self.groups)} groups"]
        lines += [f"  {name}: {width} ({', '.join(layers)})" for name, (width, layers) in self.groups.items()]
        lines.append("staying")
        lines += [f"  {name}: {'; '.join(reasons)}" for name, reasons in self.pinned.items()]
        if self.unknown:
            lines.append(f"no rule for {', '.join(f'{name} ({kind})' for name, kind in self.unknown)}")
        return "\n".join(lines)
