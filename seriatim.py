"""The command line's entry: a table of subcommands, none imported before it is chosen."""

from __future__ import annotations

import importlib.util
import sys

import click

from seriatim_commands import LazyGroup, Subcommand
from seriatim_errors import SeriatimError

OURS = {"pipelines", "ranking", "serving", "structured", "vision_components"}
# The image of the service has none of the pipelines.
LEFT_OUT = {"pipelines", "pipelines.commands"}
SUBCOMMANDS = {
    "simulate": Subcommand("pipelines.commands.simulate:simulate", "Make a seeded marketplace click log."),
    "validate": Subcommand("pipelines.commands.validate:validate", "Check a click log against its contract."),
    "run": Subcommand("pipelines.commands.run:run", "Run the pipeline: click log in, validated bundle out."),
    "backfill": Subcommand("pipelines.commands.backfill:backfill", "Run the pipeline for past days, one by one."),
    "schedule": Subcommand("pipelines.commands.schedule:schedule", "Run pipelines by cron, interval or new data."),
    "report": Subcommand("pipelines.commands.report:report", "Show and compare the offline metrics of runs."),
    "compile": Subcommand("pipelines.commands.compile:compile_", "Write the pipeline for Airflow or Kubeflow."),
    "serve": Subcommand("serving.commands.serve:serve", "Answer slate requests over gRPC."),
    "features": Subcommand("serving.commands.features:features", "Look at item features, copy them into Redis."),
    "models": Subcommand("serving.commands.models:models", "List a service's versions, set their traffic, go back."),
    "health": Subcommand("serving.commands.health:health", "Ask a service whether it takes traffic."),
    "token": Subcommand("serving.commands.token:token", "Make tokens for the service's callers."),
    "vision": Subcommand("pipelines.commands.vision:vision", "Search structures, code images, improve skies."),
    "rank": Subcommand("serving.commands.rank:rank", "Ask a running service for one slate."),
}


@click.group(cls=LazyGroup, subcommands=SUBCOMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seriatim", message="%(prog)s %(version)s")
def cli() -> None:
    """Seriatim builds slates: click log in, validated model bundle out, slates over gRPC."""


def main() -> None:
    """Run the command line; a user's own mistake ends with one line and an exit code, never a traceback."""
    try:
        cli(prog_name="seriatim")
    except SeriatimError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        package = missing.split(".")[0]
        # What is installed and lacks a part of itself is broken, as is a module of ours that is not there.
        ours = package in OURS or package.startswith("seriatim")
        if missing not in LEFT_OUT and (ours or not package or importlib.util.find_spec(package)):
            raise
        click.echo(
            f"error: this command needs the package {missing!r}, which is not installed here; install "
            "'seriatim[pipelines,serving]' on Python 3.10, or 'seriatim[serving]' for the service alone",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
