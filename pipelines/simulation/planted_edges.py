"""The truth behind a simulated catalogue's tags, for reports on what was learned of it."""

from __future__ import annotations

import json
from pathlib import Path

PARAMETERS_FILE = "simulation.json"


def planted_edges(catalogue: Path) -> tuple[tuple[str, str], ...] | None:
    """The planted tree over the tags of a simulated catalogue, as pairs of names.

    Args:
        catalogue: the item catalogue; its parameters lie beside it.

    Returns:
        Pairs of tags; None where no parameters of a simulation lie there.
    """
    try:
        parameters = json.loads((catalogue.parent / PARAMETERS_FILE).read_bytes())
        tags = parameters["tags"]
        return tuple((tags[parent], tags[child]) for parent, child, _ in parameters["tag_tree"])
    except (OSError, ValueError, LookupError, TypeError):
        # Another program's file may bear the same name; it says nothing about these tags.
        return None
