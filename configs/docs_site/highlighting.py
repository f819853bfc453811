"""Lets mkdocstrings 1.0.6 and pymdown-extensions 12.3, the newest for Python 3.10, highlight code together."""

from __future__ import annotations

import inspect
from typing import Any

from markdown import Markdown
from mkdocstrings import Highlighter
from pymdownx.highlight import Highlight


class _WithMarkdownLeftOut(Highlight):
    """`Highlight` as it was before it asked for the Markdown instance, which only titles of code are made with."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(Markdown(), **settings)


def let_highlighter_start() -> None:
    """Give mkdocstrings' highlighter, which passes no Markdown instance, a base that needs none."""
    asks = inspect.signature(Highlight.__init__).parameters.get("md")
    if asks is not None and asks.default is inspect.Parameter.empty:
        Highlighter.__bases__ = (_WithMarkdownLeftOut,)
