"""Running a shown command in the workspace."""

import os
import re
import shutil
import subprocess
import sys

from click.testing import CliRunner

import seriatim
from seriatim_config import read_config
from serving.config import ServiceConfig
from tests.house.modules import ROOT
from tests.pipelines.shown_commands import filled
from tests.pipelines.shown_commands.not_run import why_not_run
from tests.pipelines.shown_commands.started import answers_and_stops, goes_on
from tests.serving.redis_servers import running_redis
from tests.serving.running import RunningService

# Programs of the system that are run as they are; what they name is in the workspace.
PLAIN_PROGRAMS = {"mv", "cp", "mkdir", "ls", "cat"}
# What a command reads and another one makes: path, and the command that is run first where it is absent.
MADE_BY = {
    "codecs/mine": "vision train-codec photos/ --out codecs/mine",
    "codecs/small": "vision train-decoder photos/ --codec codecs/mine --out codecs/small --budget 0.2",
    "coded/one.seic": "vision encode photos/ --codec codecs/mine --out coded",
    "sky_network": "vision train-sky photos.tar --out sky_network",
}


BACKBONE = "backbone.keras"


class Executor:
    """Runs the pages' commands in a workspace, each once however many pages show it; `closing` ends its servers."""

    def __init__(self, folder, closing):
        self.folder, self._closing = folder, closing
        self._done, self._servers = set(), {}

    def execute(self, shown):
        """Run every variant of a shown command.

        Raises:
            AssertionError: one fails, nothing is known to stand for a placeholder, or the program is neither known
                here nor in the list of what is not run.
        """
        if why_not_run(shown.text) is not None:
            return
        for words in filled.variants(shown.text):
            if not shown.fenced and words[0] == "seriatim" and filled.is_only_named(words[1:]):
                words = [*words, "--help"]
            self._once(words, shown)

    def _once(self, words, shown):
        if tuple(words) not in self._done:
            self._run(words, f"{shown.page} shows '{shown.text}'")
            self._done.add(tuple(words))

    def _run(self, words, where):
        program, *rest = words
        if program == "seriatim":
            self.seriatim(rest, where)
        elif program == "python":
            self._program([sys.executable, *rest], where)
        elif program == "make":
            for line in recipe(rest[0]):
                self.seriatim(line, where)
        elif program in PLAIN_PROGRAMS:
            self._program(words, where)
        else:
            raise AssertionError(
                f"{where}: nothing here runs {program}; run it in {__name__}, or name it in NOT_RUN of not_run.py with "
                "the reason and the test that covers what can be tested"
            )

    def _program(self, words, where):
        ended = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{where}: {ended.stdout}{ended.stderr}"

    def seriatim(self, words, where):
        """Run `seriatim` with the words, small, after what it needs was made."""
        words = words if words[-1:] == ["--help"] else filled.small(words)
        words = [self._with_servers(word) for word in words]
        _, path, rest = filled.command_of(words)
        self._prepare(path, rest, where)
        if goes_on(path, rest):
            answers_and_stops(path, words, self.folder)
            return
        answer = CliRunner().invoke(seriatim.cli, words)
        assert answer.exit_code == 0, (
            f"{where}, run as 'seriatim {' '.join(words)}': {answer.exception}\n{answer.output}"
        )

    def _prepare(self, path, rest, where):
        """Make what is read and absent, and take away what must be new."""
        out = rest[rest.index("--out") + 1] if "--out" in rest else None
        for word in rest:
            if word in MADE_BY and word != out and not (self.folder / word).exists():
                self.seriatim(MADE_BY[word].split(), where)
            if word == BACKBONE and not (self.folder / word).exists():
                write_backbone(self.folder / word)
        if path[:1] == ("vision",) and out is not None:
            target = self.folder / out
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        if path[:1] == ("schedule",) and rest and not rest[0].startswith("-"):
            self._prepare_schedule(path[1], rest[0], where)

    def _prepare_schedule(self, command, name, where):
        known = name in CliRunner().invoke(seriatim.cli, ["schedule", "list"]).output
        if command == "add" and known:
            self.seriatim(["schedule", "remove", name], where)
        elif command != "add" and not known:
            # Its data are nowhere, so that a run ends at once; what comes of a sound one the tests of scheduling say.
            self.seriatim(
                ["schedule", "add", name, "--config", "absent.yaml", "--every", "6h", "--retries", "0"], where
            )
        if command == "logs":
            self.seriatim(["schedule", "run-now", name], where)
            self.seriatim(["schedule", "start", "--until-idle"], where)

    def _with_servers(self, word):
        """The word with the address of a service or a Redis that runs in place of its mark."""
        if "{target}" in word:
            return word.replace("{target}", self._server("service", self._start_service))
        if "{redis}" in word:
            return word.replace("{redis}", self._server("redis", self._start_redis))
        return word

    def _server(self, name, start):
        if name not in self._servers:
            self._servers[name] = start()
        return self._servers[name]

    def _start_service(self):
        given = {"models.root": self.folder / "bundles" / "marketplace", "listen.port": 0}
        service = RunningService(read_config(None, ServiceConfig, given))
        self._closing.callback(service.stop)
        return service.target

    def _start_redis(self):
        return self._closing.enter_context(running_redis()).url


def write_backbone(path):
    """An untrained network of two classes in a file."""
    from vision_components.backbones import resnet

    resnet(8, 2, width=4, input_shape=(16, 16, 3)).save(path)


def recipe(target):
    """The words behind `seriatim` of every line that `make target` runs."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", text, flags=re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    lines = re.findall(r"^\t@?\.venv/bin/seriatim (.*)$", found.group(1), flags=re.MULTILINE)
    assert len(lines) == len(found.group(1).splitlines()) > 0, f"make {target} runs more than seriatim"
    return [line.split() for line in lines]


def environment():
    """Variables under which the commands are run: children find the sources, and output has room."""
    return {"PYTHONPATH": str(ROOT), "COLUMNS": "160", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"} | {
        name: os.environ[name] for name in ("PATH",) if name in os.environ
    }
