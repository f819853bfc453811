"""Durations as people write them: `90s`, `15m`, `1h30m`, `2d`."""

from __future__ import annotations

import re

from seriatim_errors import ConfigError

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
WRITTEN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(text: str) -> float:
    """Seconds in a duration such as `1h30m`.

    Raises:
        ConfigError: it is no duration.
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ConfigError(f"{text!r} is no duration; write days, hours, minutes and seconds such as 2d, 1h30m or 90s")
    return sum(float(part) * unit for part, unit in zip(found.groups(), UNITS.values(), strict=True) if part)


def in_words(seconds: float) -> str:
    """The shortest way to write `seconds`, such as `1h30m`; tenths are kept, less is not."""
    rest, words = round(seconds, 1), ""
    for unit, size in UNITS.items():
        count = rest / size if unit == "s" else rest // size
        if count:
            words += f"{count:g}{unit}" if unit != "s" else f"{round(count, 1):g}s"
            rest = round(rest - count * size, 1)
    return words or "0s"
