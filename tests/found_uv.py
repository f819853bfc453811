"""Where uv is, for the tests that build or install with it."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def found_uv():
    """A uv that answers: the path's or our own copy's; None where there is none."""
    for candidate in (shutil.which("uv"), ROOT / ".tools" / "bin" / "uv"):
        # A version manager's shim may stand on the path and refuse to run.
        if candidate and Path(candidate).exists():
            answers = subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0
            if answers:
                return str(candidate)
    return None
