"""The service's log on standard error, as text for people or JSON for machines."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"
# What Python calls them to what collectors look for.
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}


def log_to(stream: TextIO, form: Literal["text", "json"]) -> logging.Handler:
    """A handler that writes one line a record; in JSON with what the record carries besides."""
    handler = logging.StreamHandler(stream)
    if form == "json":
        from pythonjsonlogger.json import JsonFormatter

        handler.setFormatter(JsonFormatter(JSON, rename_fields=RENAMED))
    else:
        handler.setFormatter(logging.Formatter(TEXT))
    return handler


def start_logging(form: Literal["text", "json"]) -> None:
    """Log from INFO on to standard error, in place of what was set up before."""
    logging.basicConfig(level=logging.INFO, handlers=[log_to(sys.stderr, form)], force=True)
