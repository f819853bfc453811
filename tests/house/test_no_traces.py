"""Nothing in the tree that does not belong in a release."""

import ast
import re
import subprocess

import pytest

from tests.house.modules import FIRST_PARTY, GENERATED, ROOT, parsed, python_files, written_files

# Put together from halves, so that this file does not name what it forbids.
WORKPLACES = [
    re.compile("/wor" + r"k/(?!tree)"),
    re.compile("/ro" + "ot/"),
    re.compile("/ho" + r"me/(?!user\b)[a-z]"),
    re.compile("/opt/" + "(pypi|wheels)"),
    re.compile("/tmp" + "/brief"),
]
MAKING = [
    re.compile("sub" + "-?agent", re.IGNORECASE),
    re.compile("be" + "fore-stop"),
    re.compile(r"\b(clau" + "de|anthr" + "opic|chat" + "gpt|copi" + r"lot)\b", re.IGNORECASE),
    re.compile(r"\b(AI|LL" + r"M)[- ](generated|written)\b", re.IGNORECASE),
    re.compile(r"\b(coding|working) ses" + r"sion\b", re.IGNORECASE),
]
REGISTRIES = [
    re.compile("py" + r"pi\.org"),
    re.compile("python" + "hosted"),
    re.compile("npm" + r"js\."),
    re.compile("(extra-)?index" + "-url|find" + "-links"),
    re.compile("arti" + "factory", re.IGNORECASE),
]
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b|\bNotImplemented" + "Error")
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
LONGEST = 400


def tracked_names():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def text_of(path):
    """A file's text; None for one that is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@pytest.fixture(scope="module")
def tracked():
    names = tracked_names()
    if not names:
        pytest.skip("not a git checkout")
    return {name: text for name in names if (text := text_of(ROOT / name)) is not None}


@pytest.mark.parametrize("pattern", [*WORKPLACES, *MAKING, *REGISTRIES], ids=lambda pattern: pattern.pattern)
def test_no_file_tells_where_or_how_it_was_made(tracked, pattern):
    registry = pattern in REGISTRIES
    found = [name for name, text in tracked.items() if pattern.search(text) and not (registry and name == "uv.lock")]
    assert not found


def test_the_lock_names_the_public_registry_only(tracked):
    hosts = set(re.findall(r'https?://([^/"]+)', tracked["uv.lock"]))
    assert hosts == {"py" + "pi.org", "files.python" + "hosted.org"}


def test_nothing_is_left_unfinished(tracked):
    written = {name: text for name, text in tracked.items() if name != "uv.lock" and not GENERATED.search(name)}
    assert not [name for name, text in written.items() if UNFINISHED.search(text)]


def hollow_functions(tree):
    """Functions that stand for work not done: nothing but `...`, `pass` or a docstring.

    Those that rightly do nothing: declarations (a Protocol's, abstract, overloads), a click group, whose subcommands do
    the work, and a method that returns None and says in a docstring why there is nothing to do.
    """
    methods = {
        method: any("Protocol" in ast.unparse(base) for base in node.bases)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for method in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and all(map(_does_nothing, node.body)):
            marks = " ".join(map(ast.unparse, node.decorator_list))
            declared = methods.get(node, False) or re.search(r"\b(abstractmethod|overload|group)\b", marks)
            explained = node in methods and ast.get_docstring(node) and ast.unparse(node.returns or node) == "None"
            if not declared and not explained:
                yield node.name


def _does_nothing(statement):
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def test_no_function_is_hollow():
    hollow = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in written_files(FIRST_PARTY)
        for name in hollow_functions(parsed(path))
    ]
    assert not hollow


HOLLOW = """
def a(): ...
def b():
    'Text.'
def c(): pass
class K:
    def d(self) -> int:
        'Text.'
    def e(self): pass
"""
SOUND = """
def a(): return 1
@click.group()
def b():
    'Text.'
class P(Protocol):
    def c(self): ...
class K:
    @abc.abstractmethod
    def d(self): ...
    def e(self) -> None:
        'Nothing to forget.'
"""


def test_a_hollow_function_is_seen_and_a_declaration_is_none():
    assert sorted(hollow_functions(ast.parse(HOLLOW))) == ["a", "b", "c", "d", "e"]
    assert not list(hollow_functions(ast.parse(SOUND)))


def test_every_file_name_says_something():
    assert not [path for path in written_files(FIRST_PARTY) if path.stem in EMPTY_NAMES]


def test_tests_do_not_sleep():
    def sleeps(path):
        calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        # asyncio.sleep(0) waits for nothing but the loop's next round.
        return any(
            ast.unparse(call.func) in {"time.sleep", "sleep", "asyncio.sleep"}
            and ast.unparse(call) != "asyncio.sleep(0)"
            for call in calls
        )

    assert not [path for path in python_files("tests") if sleeps(path)]


def test_no_module_outgrows_its_room():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in written_files(FIRST_PARTY)}
    assert not {path: length for path, length in lengths.items() if length > LONGEST}


def test_no_python_file_is_outside_the_packages(tracked):
    inside = {path.relative_to(ROOT).as_posix() for package in FIRST_PARTY for path in python_files(package)}
    assert {name for name in tracked if name.endswith(".py")} <= inside
