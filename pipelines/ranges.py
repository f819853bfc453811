"""Settings that must lie in a range."""

from __future__ import annotations

from seriatim_errors import ConfigError


def require_in_range(settings: object, *ranges: tuple[str, float, float]) -> None:
    """Refuse a setting that is not from `low` to `high`; each range is (name, low, high).

    Raises:
        ConfigError: a value is outside; the message names it and the range.
    """
    for name, low, high in ranges:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}; give a value between {low:g} and {high:g}")
