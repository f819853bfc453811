"""Mutation tests of the mathematical cores: which small changes of the code no quick test notices.

mutmut's rules make the mutants, one change each; `benchmarks/mutant_runs.py` runs the tests that reach it. Survivors
that nobody could notice stand with their reason in `benchmarks/equivalent_mutants.yaml`; any other fails the run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.equivalent_mutants import KINDS, reason_of
from benchmarks.harness import ONE_THREAD, parse_options, report
from benchmarks.mutant_runs import KILLED, TIMEOUT, MutantRuns
from benchmarks.mutant_sources import Mutant, mutants_of

NEEDS = {"minutes": 60, "work": True, "by_hand": "it tries the tests, with `make mutants`"}


@dataclass(frozen=True)
class Core:
    """Modules to mutate, by their folder, and the tests that must notice: of some files those that `chosen` chooses."""

    folder: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    chosen: str = ""

    def mutants(self) -> list[Mutant]:
        """Of all its modules."""
        return [one for name in self.modules for one in mutants_of(Path(self.folder, f"{name}.py"))]


CORES = {
    "seq2slate losses": Core(
        "ranking/seq2slate",
        ("losses",),
        ("tests/ranking/test_seq2slate_losses.py",),
    ),
    "rate constraints": Core(
        "ranking/rate_constraints",
        ("coverage", "listwise", "objectives", "quantiles", "subset_quantiles", "surrogates"),
        (
            "tests/ranking/test_rate_constraints_by_hand.py",
            "tests/ranking/test_rate_constraints_inputs.py",
            "tests/ranking/test_rate_constraints_objectives.py",
            "tests/ranking/test_rate_constraints_training.py::test_the_threshold_of_a_list_is_its_kth_score",
        ),
        # What trains is slow, and so is what draws many problems.
        "not gate and not classifier and not labels_that and not finite_differences and not replication "
        "and not meet_each and not losses_bound and not hardly_sees",
    ),
    "tree inference": Core(
        "structured",
        (
            *(f"graphs/{name}" for name in ("edges", "matchings", "rooted_forest", "spanning_forests")),
            *(f"inference/{name}" for name in ("k_best", "max_marginals", "max_product", "messages", "potentials")),
            "inference/sum_product",
        ),
        ("tests/structured/test_graphs.py", "tests/structured/test_inference.py"),
    ),
    "channel graph": Core(
        "vision_components/structure",
        ("channel_graph", "classes", "flow", "tracing"),
        ("tests/vision_components/test_channel_graph.py",),
    ),
}
# Nothing but pytest itself: no limits of time, no parallel tests, and neither slow tests nor those of real data.
PYTEST = (
    "-q",
    "-s",
    "-p",
    "no:timeout",
    "-p",
    "no:cacheprovider",
    "-o",
    "addopts=",
    "-m",
    "not slow and not real_data",
)


def main() -> None:
    """Run all cores, or with `--core` one of them in this process."""
    options = parse_options(
        "mutants",
        __doc__ or "",
        ("--core", {"choices": list(CORES), "help": "this one only, without a result file"}),
        ("--work", {"type": Path, "default": Path(".mutants"), "help": "where what is known of each mutant is kept"}),
    )
    work: Path = options.extra.work
    work.mkdir(parents=True, exist_ok=True)
    if options.extra.core:
        _run_core(CORES[options.extra.core], work / f"{options.extra.core}.jsonl", options.budget)
        return
    rows: list[dict[str, Any]] = []
    unexplained: list[str] = []
    for name, core in CORES.items():
        minutes = str(options.budget / len(CORES))
        command = [sys.executable, "-m", __spec__.name, "--core", name, "--work", str(work), "--budget", minutes]
        subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
        known = _known(work / f"{name}.jsonl")
        for module in core.modules:
            path = Path(core.folder, f"{module}.py")
            row, others = _row(name, path, [(one, known.get(one.key)) for one in mutants_of(path)])
            rows.append(row)
            unexplained += others
    figures = {
        "mutants": sum(row["mutants"] for row in rows),
        "tried": sum(row["tried"] for row in rows),
        "killed": sum(row["killed"] for row in rows),
    }
    report(options, {"cores": len(CORES)}, figures, rows)
    if unexplained:
        print("\n".join(["survivors without a reason in benchmarks/equivalent_mutants.yaml:", *unexplained]))
        sys.exit(1)


def _run_core(core: Core, done: Path, minutes: float) -> None:
    """Try mutants whose end is not known or explained, those that were never tried first, in an order by chance."""
    known = _known(done)
    waiting = [one for one in core.mutants() if one.key not in known or not _is_settled(one, known[one.key])]
    random.Random(0).shuffle(waiting)
    waiting.sort(key=lambda one: one.key in known)
    if not waiting:
        return
    code = pytest.main([*PYTEST, "-k", core.chosen, *core.tests], plugins=[MutantRuns(waiting, done, 60 * minutes)])
    if code:
        sys.exit(int(code))


def _is_settled(mutant: Mutant, status: str) -> bool:
    return status in (KILLED, TIMEOUT) or reason_of(mutant) is not None


def _known(done: Path) -> dict[str, str]:
    text = done.read_text(encoding="utf-8") if done.exists() else ""
    # A run that was killed may leave half a line.
    whole, _, _ = text.rpartition("\n")
    return {one["key"]: one["status"] for one in map(json.loads, whole.splitlines())}


def _row(core: str, path: Path, mutants: list[tuple[Mutant, str | None]]) -> tuple[dict[str, Any], list[str]]:
    """A module's counts, and its survivors that nothing explains."""
    reasons: Counter[str] = Counter()
    unexplained = []
    tried = [(mutant, status) for mutant, status in mutants if status is not None]
    for mutant, status in tried:
        if status not in (KILLED, TIMEOUT):
            reason = reason_of(mutant)
            if reason is None:
                unexplained.append(f"{status}: {mutant.key}")
            else:
                reasons[reason.kind] += 1
    row = {
        "core": core,
        "module": path.as_posix(),
        "mutants": len(mutants),
        "tried": len(tried),
        "killed": sum(status in (KILLED, TIMEOUT) for _, status in tried),
        **{kind: reasons[kind] for kind in KINDS},
        "unexplained": len(unexplained),
    }
    return row, unexplained


if __name__ == "__main__":
    main()
