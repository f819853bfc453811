"""Docstrings as the site's tools read them: examples are code, and arguments that share a line get one each."""

from __future__ import annotations

import re
from typing import Any

import griffe

# Lines from a prompt up to the next blank line, all indented alike.
SESSION = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*)*", flags=re.MULTILINE)
SECTION = re.compile(r"^(?:Args|Attributes|Raises):\n(?:(?: .*)?\n?)*", flags=re.MULTILINE)
SHARED = re.compile(r"^(?P<indent> +)(?P<names>\w+(?:, \w+)+)(?P<meaning>: .*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE)


class PlainDocstrings(griffe.Extension):
    """Rewrites every docstring before it is read as Markdown with sections."""

    def on_object(self, *, obj: griffe.Object, **_others: Any) -> None:
        """Called by griffe with every object that it has loaded."""
        if obj.docstring is not None:
            obj.docstring.value = one_line_each(fenced(obj.docstring.value))


def fenced(text: str) -> str:
    """`text` with every example in a fence of its own, for `>>>` is a quotation in Markdown."""
    return SESSION.sub(lambda found: f"{found['indent']}```pycon\n{found[0]}\n{found['indent']}```", text)


def one_line_each(text: str) -> str:
    """`text` with `a, b: meaning`, in a section, as `a: meaning` and `b: meaning`."""

    def apart(found: re.Match[str]) -> str:
        return "\n".join(f"{found['indent']}{name}{found['meaning']}" for name in found["names"].split(", "))

    return SECTION.sub(lambda section: SHARED.sub(apart, section[0]), text)
