"""What a benchmark needs, as its own module says: read without importing it, for half of them load TensorFlow."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DATA = Path("../shared/data")


@dataclass(frozen=True)
class Needs:
    """A benchmark's `NEEDS`, a literal dictionary of these fields but the first.

    Attributes:
        module: dotted name of the module.
        minutes: of a run worth publishing, on two cores.
        least: minutes of the smallest run that tells anything; the same as `minutes` where none is smaller.
        small: arguments of a run that has less than `minutes`.
        data: folders of the public data that it reads.
        work: whether it takes `--work`, a folder of intermediate results that the next run goes on from.
        by_hand: why it is not run together with the others; empty where it is.
    """

    module: str
    minutes: float
    least: float
    small: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    work: bool = False
    by_hand: str = ""

    @property
    def name(self) -> str:
        """Of the module in its package, and of its result."""
        return self.module.rpartition(".")[2]


def all_needs(folder: Path, package: str) -> list[Needs]:
    """The needs of every module in a package's folder that states them, shortest least run first."""
    found = (read_needs(path, package) for path in sorted(folder.glob("*.py")))
    return sorted((needs for needs in found if needs is not None), key=lambda needs: (needs.least, needs.name))


def read_needs(path: Path, package: str) -> Needs | None:
    """A module's needs; None where it states none.

    Raises:
        ValueError: `NEEDS` is no literal.
        TypeError: it has other keys than the fields.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "NEEDS" for t in node.targets):
            stated = ast.literal_eval(node.value)
            listed = {name: tuple(stated.get(name, ())) for name in ("small", "data")}
            return Needs(f"{package}.{path.stem}", **{"least": stated["minutes"], **stated, **listed})
    return None


def shares(needs: Iterable[Needs], minutes: float) -> dict[str, float]:
    """Minutes for each benchmark, together at most `minutes`.

    Each gets its `least`; what remains raises the shortest shares first, none above its `minutes`. Where not even all
    `least` fit, those that ask for most get nothing and are not in the answer.
    """
    taken = sorted(needs, key=lambda one: (one.least, one.name))
    while taken and sum(one.least for one in taken) > minutes:
        taken.pop()

    def at(level: float) -> dict[str, float]:
        return {one.name: min(one.minutes, max(one.least, level)) for one in taken}

    low, high = 0.0, max((one.minutes for one in taken), default=0.0)
    if sum(at(high).values()) <= minutes:
        return at(high)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle).values()) <= minutes else (low, middle)
    return at(low)
