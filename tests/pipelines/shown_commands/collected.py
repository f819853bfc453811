"""What the documents show to be typed: commands in fences and in running text, and blocks of Python."""

import re
import textwrap
from dataclasses import dataclass

from tests.house.modules import ROOT

# Code in running text is a command where it begins with one of these.
PROGRAMS = (
    "seriatim", "make", "python", "python3", "sqlite3", "pip", "pipx", "uv", "uvx", "docker", "podman", "kubectl",
    "helm", "curl", "wget", "grpcurl", "grpc_health_probe", "aws", "gsutil", "gcloud", "git", "mv", "cp", "mkdir", "ls",
    "cat", "rm", "tar", "export", "source", "systemctl", "redis-cli", "redis-server", "airflow", "kfp", "bazel",
    "mkdocs", "mutmut", "pytest", "ruff", "mypy", "apt", "sudo", "openssl", "jupyter", "psql", "protoc", "buf",
)  # fmt: skip
SHELLS = {"", "sh", "shell", "bash", "console"}
# What stands before the program: settings for it alone, and the folder that it is in.
BEFORE = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\S*/bin/)?")
FENCE = re.compile(r"^( *)(```+) *(\w*)[^\n]*\n(.*?)^ *\2 *$", flags=re.MULTILINE | re.DOTALL)
INLINE = re.compile(rf"(?<!`)`((?:[\w./]*/bin/)?(?:{'|'.join(map(re.escape, PROGRAMS))}) [^`]+)`(?!`)")


@dataclass(frozen=True)
class Shown:
    """A command of a page; `fenced` where it stands by itself, so that it is meant to be typed as it is."""

    page: str
    text: str
    fenced: bool


@dataclass(frozen=True)
class Block:
    """A fence: its page, its language and what it holds."""

    page: str
    language: str
    text: str


def pages():
    """Paths of the documents that show commands, from the checkout's root."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in found if path.is_file()]


def text_of(page):
    """A page as it is written."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page, text=None):
    """All fences of a page."""
    found = FENCE.findall(text_of(page) if text is None else text)
    return [Block(page, language, textwrap.dedent(content)) for _, _, language, content in found]


def python_blocks(page):
    """The fences of a page that hold Python."""
    return [block for block in blocks(page) if block.language in {"python", "py"}]


def commands(page, text=None):
    """Every command that a page shows, in the order of its fences and then of its running text."""
    text = text_of(page) if text is None else text
    fenced = [line for block in blocks(page, text) for line in _lines(block)]
    spoken = [BEFORE.sub("", " ".join(found.split())) for found in INLINE.findall(FENCE.sub("", text))]
    return [Shown(page, line, True) for line in fenced] + [Shown(page, line, False) for line in spoken]


def _lines(block):
    """The commands in a fence: every line of one of a shell or of none, apart from what a prompt's command prints."""
    if block.language not in SHELLS:
        return []
    joined = re.sub(r"\s*\\\n\s*", " ", block.text).splitlines()
    prompted = any(line.startswith("$ ") for line in joined)
    if prompted:
        return [line.removeprefix("$ ").strip() for line in joined if line.startswith("$ ")]
    return [BEFORE.sub("", line.strip()) for line in joined if line.strip() and not line.lstrip().startswith("#")]
