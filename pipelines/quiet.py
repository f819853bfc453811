"""Keep what libraries write to standard error, C++ code included, in a log instead of the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def errors_to(path: Path) -> Iterator[TextIO]:
    """Append everything written to file descriptor 2 within the block to `path`; yields that file."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with path.open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield log
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
