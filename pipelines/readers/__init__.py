"""Readers: every accepted form of a click log becomes one Arrow table of the contract's columns."""

from pipelines.readers.files import LogFiles, log_pieces, read_log, resolve_files

__all__ = ["LogFiles", "log_pieces", "read_log", "resolve_files"]
