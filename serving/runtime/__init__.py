"""The runtime: executes a bundle's stages with LightGBM, ONNX Runtime and NumPy, one thread each."""

from serving.runtime.query import InvalidRequestError, Slate, SlateQuery
from serving.runtime.ranker import SlateRanker

__all__ = ["InvalidRequestError", "Slate", "SlateQuery", "SlateRanker"]
