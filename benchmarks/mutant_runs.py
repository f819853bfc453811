"""Tests against mutants: one process collects the tests, and one child of it a mutant runs those that reach it.

The changed function's code is put into the functions that are loaded already, so that nothing is imported again. No
TensorFlow operation may run before a child is made: its threads would not be in the child.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import Phase, settings

from benchmarks.mutant_sources import Mutant

KILLED, SURVIVED, TIMEOUT, NOT_REACHED, STALLED = "killed", "survived", "timeout", "not reached", "stalled"
NOT_APPLIED = 3
# Of processor time, so that other work on the machine kills no mutant.
SECONDS_OF_TESTS = 4.0
SECONDS_MORE = 12
MOST_EXAMPLES = 30
SLOWEST_TEST = 3.0
CONVERTED = "__autograph_generated_file"


@dataclass(frozen=True)
class Reach:
    """What one test executes, and its processor time in seconds; of code that AutoGraph converts no line is known."""

    test: str
    seconds: float
    lines: frozenset[tuple[str, int]]
    has_converted: bool


class MutantRuns:
    """A plugin for pytest: instead of running the tests once, run them against every mutant.

    Args:
        mutants: of modules that the tests import.
        done: file of JSON lines `{key, status, tests}`, to which each mutant's is added when it is known.
        seconds: from now on, after which no other mutant is begun.
    """

    def __init__(self, mutants: Sequence[Mutant], done: Path, seconds: float) -> None:
        self.mutants, self.done, self.until = mutants, done, time.monotonic() + seconds
        self.files = {str(mutant.path.resolve()): mutant.path for mutant in mutants}
        self.functions: dict[str, list[FunctionType]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Draw fewer examples, and leave out the search for the smallest failing one: any kills."""
        parent, phases = settings.get_profile("reproducible"), (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", parent=parent, phases=phases, max_examples=MOST_EXAMPLES)
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Find which test reaches what, then run the mutants one after another."""
        _require_no_operation_so_far()
        items = {item.nodeid: item for item in session.items}
        for function in gc.get_objects():
            if isinstance(function, FunctionType) and function.__code__.co_filename in self.files:
                self.functions.setdefault(_place(function.__code__), []).append(function)
        gc.collect()
        gc.freeze()
        reaches = self._reaches(session, list(items.values()))
        with self.done.open("a", encoding="utf-8") as done:
            for mutant in self.mutants:
                if time.monotonic() > self.until:
                    break
                tests = _tests_of(mutant, reaches)
                status = self._status(
                    session, mutant, [items[one.test] for one in tests], sum(t.seconds for t in tests)
                )
                done.write(json.dumps({"key": mutant.key, "status": status, "tests": len(tests)}) + "\n")
                done.flush()
        return True

    def _status(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item], seconds: float) -> str:
        if not items:
            return NOT_REACHED
        limit = int(3 * seconds) + SECONDS_MORE
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            # A child that waits for ever uses no processor; on a busy machine it may be late only: that proves nothing.
            signal.alarm(50 * limit)
            _silence()
            code = NOT_APPLIED
            try:
                self._apply(mutant)
                code = 1
                code = _run(session, items)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == NOT_APPLIED:
            raise pytest.UsageError(f"this mutant could not be put in place: {mutant.key}")
        if os.WIFSIGNALED(status):
            ended_by = os.WTERMSIG(status)
            return {signal.SIGXCPU: TIMEOUT, signal.SIGKILL: TIMEOUT, signal.SIGALRM: STALLED}.get(ended_by, KILLED)
        return KILLED if os.WEXITSTATUS(status) else SURVIVED

    def _reaches(self, session: pytest.Session, items: list[pytest.Item]) -> list[Reach]:
        """Run every test once, in a child, and note what it executes."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            _silence()
            code = 1
            try:
                with os.fdopen(write, "w", encoding="utf-8") as answers:
                    for item in items:
                        answers.write(json.dumps(self._reach(session, item)) + "\n")
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as answers:
            found = [json.loads(line) for line in answers]
        _, status = os.waitpid(child, 0)
        failed = [test for test, has_failed, *_ in found if has_failed]
        if failed or status:
            raise pytest.UsageError(f"without any mutant these tests fail: {failed or 'the run broke off'}")
        for test, _, seconds, *_ in found:
            if seconds > SLOWEST_TEST:
                print(f"left out, {seconds:.1f} s: {test}")
        return [
            Reach(test, seconds, frozenset((path, line) for path, line in lines), has_converted)
            for test, _, seconds, lines, has_converted in found
            if seconds <= SLOWEST_TEST
        ]

    def _reach(
        self, session: pytest.Session, item: pytest.Item
    ) -> tuple[str, bool, float, list[tuple[str, int]], bool]:
        """Name, whether it fails, seconds, lines of the mutated files, and whether AutoGraph's code ran."""
        started = time.process_time()
        measured = Coverage(data_file=None, config_file=False, include=[*self.files, f"*{CONVERTED}*"], messages=False)
        measured.start()
        has_failed = bool(_run(session, [item]))
        measured.stop()
        seconds = time.process_time() - started
        data = measured.get_data()
        lines = [(str(path), line) for file, path in self.files.items() for line in data.lines(file) or ()]
        has_converted = any(CONVERTED in file for file in data.measured_files())
        return item.nodeid, has_failed, seconds, lines, has_converted

    def _apply(self, mutant: Mutant) -> None:
        path = str(mutant.path.resolve())
        # AutoGraph reads the source of what it converts from the file that the code names.
        file = self.done.with_suffix(".py").resolve()
        file.write_text(mutant.source, encoding="utf-8")
        new = compile(mutant.source, str(file), "exec", dont_inherit=True)
        old = compile(mutant.path.read_text(encoding="utf-8"), path, "exec", dont_inherit=True)
        for name in mutant.owner.split("."):
            new, old = _inner(new, name), _inner(old, name)
        for before, after in _pairs(old, new):
            for function in self.functions.get(_place(before), []):
                if before.co_freevars == after.co_freevars:
                    function.__code__ = after
        for function in self.functions[_place(old)]:
            if function.__code__ is not new:
                raise RuntimeError("the loaded function closes over other variables")
            _renew_defaults(function, mutant)


def _tests_of(mutant: Mutant, reaches: list[Reach]) -> list[Reach]:
    """Quick tests first, those that execute the changed lines before those that may, up to the time limit."""
    changed = {(str(mutant.path), line) for line in mutant.lines}
    if not any(changed & one.lines for one in reaches):
        # A signature is executed on import, and of a long statement some lines are executed under another's number.
        changed = {(str(mutant.path), line) for line in mutant.body}
    near = sorted((one for one in reaches if changed & one.lines), key=lambda one: one.seconds)
    others = sorted((one for one in reaches if one.has_converted and one not in near), key=lambda one: one.seconds)
    found: list[Reach] = []
    seconds = 0.0
    for one in (*near, *others):
        if seconds + one.seconds > SECONDS_OF_TESTS:
            break
        found.append(one)
        seconds += one.seconds
    return found


def _run(session: pytest.Session, items: list[pytest.Item]) -> int:
    """Whether one fails; none is run after it."""
    before = session.testsfailed
    for place, item in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed > before:
            return 1
    return 0


def _pairs(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]]:
    """Codes of a function and of those inside it, before and after."""
    inner_old = [one for one in old.co_consts if isinstance(one, CodeType)]
    inner_new = [one for one in new.co_consts if isinstance(one, CodeType)]
    pairs = [(old, new)]
    for before, after in zip(inner_old, inner_new, strict=False):
        if before.co_name == after.co_name:
            pairs += _pairs(before, after)
    return pairs


def _renew_defaults(function: FunctionType, mutant: Mutant) -> None:
    """Set the values of arguments that are given none; mutmut changes those only that are numbers, texts and names."""
    nodes: list[ast.AST] = [ast.parse(mutant.source)]
    for name in mutant.owner.split("."):
        nodes = [one for node in nodes for one in getattr(node, "body", []) if getattr(one, "name", "") == name]
    [definition] = nodes
    assert isinstance(definition, ast.FunctionDef)
    arguments = definition.args
    function.__defaults__ = tuple(_value(one, function) for one in arguments.defaults) or None
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    function.__kwdefaults__ = {one.arg: _value(default, function) for one, default in named if default} or None


def _value(default: ast.expr, function: FunctionType) -> Any:
    return eval(ast.unparse(default), function.__globals__)


def _inner(code: CodeType, name: str) -> CodeType:
    return next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)


def _place(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_firstlineno}:{code.co_name}"


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _require_no_operation_so_far() -> None:
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    if tensorflow is not None and tensorflow.context_safe() is not None and tensorflow.context()._initialized:
        raise pytest.UsageError("a TensorFlow operation ran while the tests were collected; give these tests fixtures")
