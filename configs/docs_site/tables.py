"""Tables, code and plain words in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; cells hold no bar outside code."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def words(text: str) -> str:
    """`text` as it is, code within it too: what stands in angle brackets is no tag."""
    return re.sub(r"(`[^`]*`)|<", lambda found: found[1] or "&lt;", text)


def code(text: str) -> str:
    """`text` as code within a line."""
    return f"`{text}`"
