"""The command line's entry: light, complete, and without tracebacks for a user's mistake."""

import importlib
import importlib.metadata
import subprocess
import sys

import click
import pytest

import seriatim
from seriatim_errors import ConfigError, SeriatimError
from tests.house.modules import ROOT

HEAVY = {
    "apache_beam",
    "grpc",
    "jinja2",
    "lightgbm",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "scipy",
    "sklearn",
    "tensorflow",
    "tfx",
}
SHOW_HELP = """
import sys, seriatim
try:
    seriatim.cli(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code
print("LOADED", *{name.split(".")[0] for name in sys.modules})
"""


def shown_and_loaded(*arguments):
    """What the command line prints in a fresh interpreter, and the packages it has loaded by then."""
    command = [sys.executable, "-c", SHOW_HELP, *arguments]
    shown, loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("LOADED")
    return shown, set(loaded.split())


def test_help_names_every_subcommand_and_loads_nothing_heavy():
    shown, loaded = shown_and_loaded("--help")
    for name, subcommand in seriatim.SUBCOMMANDS.items():
        assert name in shown
        assert subcommand.summary in shown
    assert "click" in loaded
    assert not HEAVY & loaded
    assert not {"pipelines", "serving"} & loaded


@pytest.mark.parametrize("name", seriatim.SUBCOMMANDS)
def test_help_of_a_subcommand_loads_nothing_heavy(name):
    shown, loaded = shown_and_loaded(name, "--help")
    assert "Usage: " in shown
    assert not HEAVY & loaded


@pytest.mark.parametrize("name", seriatim.SUBCOMMANDS)
def test_every_subcommand_exists_and_explains_itself(name):
    module, attribute = seriatim.SUBCOMMANDS[name].target.split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_an_unknown_subcommand_ends_with_status_2():
    finished = subprocess.run([sys.executable, "-m", "seriatim", "rnak"], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "No such command 'rnak'" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("error", [SeriatimError, *SeriatimError.__subclasses__()])
def test_a_named_error_becomes_one_line_and_its_own_status(error, monkeypatch, capsys):
    @click.command()
    def fails():
        raise error("field x is 3; give 4")

    monkeypatch.setattr(seriatim, "cli", fails)
    monkeypatch.setattr(sys, "argv", ["seriatim"])
    with pytest.raises(SystemExit) as caught:
        seriatim.main()
    assert caught.value.code == error.exit_code
    assert capsys.readouterr().err == "error: field x is 3; give 4\n"


def test_a_fault_of_the_program_is_not_dressed_up_as_the_users(monkeypatch):
    @click.command()
    def fails():
        raise ZeroDivisionError

    monkeypatch.setattr(seriatim, "cli", fails)
    monkeypatch.setattr(sys, "argv", ["seriatim"])
    with pytest.raises(ZeroDivisionError):
        seriatim.main()


def test_the_version_is_that_of_the_installed_package():
    # In a process of its own: click keeps what it once said.
    command = [sys.executable, "-m", "seriatim", "--version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout == f"seriatim {importlib.metadata.version('seriatim')}\n"


def test_a_package_that_is_not_installed_is_named_with_the_extras(monkeypatch, capsys):
    @click.command()
    def needs_more():
        importlib.import_module("no_such_package")

    monkeypatch.setattr(seriatim, "cli", needs_more)
    monkeypatch.setattr(sys, "argv", ["seriatim"])
    with pytest.raises(SystemExit) as caught:
        seriatim.main()
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: this command needs the package 'no_such_package'")
    assert "seriatim[pipelines,serving]" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["serving.no_such_module", "seriatim_nothing", "pipelines.commands.none", "click.no_such_part"]
)
def test_a_module_that_its_package_lacks_is_a_fault(monkeypatch, name):
    @click.command()
    def broken():
        importlib.import_module(name)

    monkeypatch.setattr(seriatim, "cli", broken)
    monkeypatch.setattr(sys, "argv", ["seriatim"])
    with pytest.raises(ModuleNotFoundError):
        seriatim.main()


def test_a_configuration_that_is_not_there_ends_with_one_line_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "seriatim", "run", "--config", str(tmp_path / "none.yaml")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == ConfigError.exit_code
    assert finished.stderr.startswith("error: ")
    assert finished.stderr.count("\n") == 1
    assert "none.yaml" in finished.stderr


def test_exit_statuses_tell_the_errors_apart():
    kinds = SeriatimError.__subclasses__()
    statuses = {kind.exit_code for kind in kinds}
    assert len(statuses) == len(kinds)
    assert not statuses & {0, 1, 2}, "0 is success, 1 any other fault, 2 a wrong command line"
