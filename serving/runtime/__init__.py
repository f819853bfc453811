"""The runtime: executes a bundle's stages with LightGBM, ONNX Runtime and NumPy, one thread each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.runtime.query import Decoding, InvalidRequestError, Slate, SlateQuery

if TYPE_CHECKING:
    from serving.runtime.ranker import SlateRanker

__all__ = ["Decoding", "InvalidRequestError", "Slate", "SlateQuery", "SlateRanker"]


def __getattr__(name: str) -> type[SlateRanker]:
    """Load the stages' libraries only for who ranks: a client needs the errors alone, and at once."""
    if name == "SlateRanker":
        from serving.runtime.ranker import SlateRanker

        return SlateRanker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
