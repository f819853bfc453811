"""The command line's entry: light, complete, and without tracebacks for a user's mistake."""

import importlib
import subprocess
import sys

import click
import pytest

import seriatim
from seriatim_errors import (
    BundleError,
    ConfigError,
    DataError,
    PipelineError,
    SeriatimError,
    ServiceError,
    TrainingError,
)

HEAVY = {"tensorflow", "tfx", "apache_beam", "lightgbm", "numpy", "pandas", "pyarrow", "grpc", "onnxruntime", "rich"}


def test_help_names_every_subcommand_and_loads_nothing_heavy():
    program = (
        "import sys, click, seriatim\n"
        "try: seriatim.cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', sorted(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    text, loaded = shown.split("LOADED")
    for name, subcommand in seriatim.SUBCOMMANDS.items():
        assert name in text
        assert subcommand.summary in text
    assert not HEAVY & {name.strip(" '") for name in loaded.strip().strip("[]").split(",")}


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


@pytest.mark.parametrize(
    "error", [SeriatimError, DataError, ConfigError, BundleError, ServiceError, PipelineError, TrainingError]
)
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


def test_exit_statuses_tell_the_errors_apart():
    kinds = SeriatimError.__subclasses__()
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
