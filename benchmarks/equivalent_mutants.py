"""Why some mutants survive, by hand: `benchmarks/equivalent_mutants.yaml`, one reason for each or for several alike."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.mutant_sources import Mutant

# The same result for every input; or the same result at another cost.
KINDS = ("equivalent", "cost")


@dataclass(frozen=True)
class Reason:
    """Why no test can tell some mutants from the code.

    Attributes:
        kind: one of `KINDS`.
        where: regular expression of `path:function`, whole.
        change: regular expression that is found in `before => after`.
        why: in words.
    """

    kind: str
    where: str
    change: str
    why: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a reason's kind is {self.kind!r}; use one of {', '.join(KINDS)}")

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is this mutant's."""
        where, change = mutant.key.split(": ", 1)
        return bool(re.fullmatch(self.where, where) and re.search(self.change, change))


@functools.cache
def reasons() -> tuple[Reason, ...]:
    """All of the file, in its order."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return tuple(Reason(**one) for one in yaml.safe_load(text))


def reason_of(mutant: Mutant) -> Reason | None:
    """The first that covers the mutant."""
    return next((one for one in reasons() if one.covers(mutant)), None)
