"""Options of Beam pipelines, checked without importing Beam, which itself passes over what it does not know."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNNER = "--runner"
# A job server has options of its own, which only it can name.
RUNNERS_WITH_JOB_SERVER = ("flink", "portable", "spark", "prism", "samza")
NUMBERS = {"int": int, "float": float}
# As alike as a slip of the keyboard: Beam's own options never come so near to another one's name by being longer.
NEARLY = 0.85


@dataclass(frozen=True)
class BeamFlag:
    """What an option of Beam takes.

    Attributes:
        takes_value: whether a value follows.
        number: `int`, `float`, or empty where any text will do.
        choices: the values there are; empty where any will do.
    """

    takes_value: bool
    number: str
    choices: tuple[str, ...]


def require_beam_options(options: Sequence[str]) -> None:
    """Check options as Beam's command line takes them: `--flag`, `--flag=value`, or flag and value apart.

    Options that Beam does not know pass where the runner has a job server, which may know them, unless they look like
    a known one that is misspelt.

    Raises:
        ValueError: an option is unknown, or its value is missing, too much or of another kind; the message names it.
    """
    known = beam_flags()
    if not known:
        return
    given = list(_flags_and_values(options))
    runner = next((value or "" for flag, value in given if flag == RUNNER), "").rsplit(".", 1)[-1].lower()
    open_ended = runner.removesuffix("runner") in RUNNERS_WITH_JOB_SERVER
    for flag, value in given:
        if flag in known:
            _require_value(flag, value, known[flag])
            continue
        near = difflib.get_close_matches(flag, known, n=1, cutoff=NEARLY if open_ended else 0.6)
        if near or not open_ended:
            meant = f"; is {near[0]} meant?" if near else "; correct its spelling or leave it out"
            raise ValueError(f"{flag} is no option of Apache Beam{meant}")


@functools.cache
def beam_flags() -> dict[str, BeamFlag]:
    """The options that the installed Beam knows, by name with the dashes; read from its source, not by running it.

    Where it is not installed, as where pipelines are but compiled for others to run, there are none.
    """
    spec = importlib.util.find_spec("apache_beam")
    if spec is None or spec.origin is None:
        return {}
    source = Path(spec.origin).parent / "options" / "pipeline_options.py"
    flags = dict[str, BeamFlag]()
    for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and "add_" in call.func.attr:
            names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            flags |= {name: _flag(call) for name in names if name.startswith("--")}
    return flags


def _flag(call: ast.Call) -> BeamFlag:
    said = {keyword.arg: keyword.value for keyword in call.keywords}
    action, kind, choices = said.get("action"), said.get("type"), said.get("choices")
    return BeamFlag(
        takes_value=not (isinstance(action, ast.Constant) and str(action.value).startswith("store_")),
        number=kind.id if isinstance(kind, ast.Name) and kind.id in NUMBERS else "",
        choices=tuple(str(one.value) for one in choices.elts if isinstance(one, ast.Constant))
        if isinstance(choices, ast.List | ast.Tuple)
        else (),
    )


def _flags_and_values(options: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    waiting = ""
    for option in options:
        if waiting and not option.startswith("--"):
            yield waiting, option
            waiting = ""
            continue
        if waiting:
            yield waiting, None
        if not option.startswith("--"):
            raise ValueError(f"{option!r} is no option and follows none; write --flag=value")
        flag, equals, value = option.partition("=")
        waiting = "" if equals else flag
        if equals:
            yield flag, value
    if waiting:
        yield waiting, None


def _require_value(flag: str, value: str | None, beam: BeamFlag) -> None:
    if value is None and beam.takes_value:
        raise ValueError(f"{flag} has no value; write {flag}=VALUE")
    if value is not None and not beam.takes_value:
        raise ValueError(f"{flag} takes no value, got {value!r}; write {flag} alone, or leave it out")
    if value is None:
        return
    if beam.choices and value not in beam.choices:
        raise ValueError(f"{flag} is {value!r}; choose one of {', '.join(beam.choices)}")
    if beam.number:
        try:
            NUMBERS[beam.number](value)
        except ValueError:
            raise ValueError(f"{flag} is {value!r}; give a number") from None
