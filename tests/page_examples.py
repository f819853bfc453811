"""The examples in Python that a page shows."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def python_examples(page):
    """The texts of all of a page's blocks of Python, by its path from the checkout's root."""
    return EXAMPLE.findall((ROOT / page).read_text(encoding="utf-8"))
