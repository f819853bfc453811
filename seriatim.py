"""The command line's entry: a table of subcommands, none imported before it is chosen."""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple

import click

from seriatim_errors import SeriatimError


class Subcommand(NamedTuple):
    """Where a subcommand lives (`module:attribute`) and its line in `seriatim --help`."""

    target: str
    summary: str


SUBCOMMANDS = {
    "simulate": Subcommand("pipelines.commands.simulate:simulate", "Make a seeded marketplace click log."),
    "validate": Subcommand("pipelines.commands.validate:validate", "Check a click log against its contract."),
    "run": Subcommand("pipelines.commands.run:run", "Run the pipeline: click log in, validated bundle out."),
    "report": Subcommand("pipelines.commands.report:report", "Show the offline metrics of a run."),
    "serve": Subcommand("serving.commands.serve:serve", "Answer slate requests over gRPC."),
    "features": Subcommand("serving.commands.features:features", "Look at item features, copy them into Redis."),
    "models": Subcommand("serving.commands.models:models", "List a service's versions, set their traffic, go back."),
    "health": Subcommand("serving.commands.health:health", "Ask a service whether it takes traffic."),
    "token": Subcommand("serving.commands.token:token", "Make tokens for the service's callers."),
    "rank": Subcommand("serving.commands.rank:rank", "Ask a running service for one slate."),
}


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module only when that subcommand is chosen."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands, in the order of the data's way."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command behind `cmd_name`, imported now; None when there is no such subcommand."""
        subcommand = SUBCOMMANDS.get(cmd_name)
        if subcommand is None:
            return None
        module, attribute = subcommand.target.split(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of subcommands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, subcommand.summary) for name, subcommand in SUBCOMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Seriatim builds slates: click log in, validated model bundle out, slates over gRPC."""


def main() -> None:
    """Run the command line; a user's own mistake ends with one line and an exit code, never a traceback."""
    try:
        cli(prog_name="seriatim")
    except SeriatimError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
