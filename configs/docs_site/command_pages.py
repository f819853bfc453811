"""The reference of the command line: every command with its arguments and options, from click."""

from __future__ import annotations

from collections.abc import Iterator

import click

from configs.docs_site.tables import code, table
from seriatim import cli

TITLE = "# Commands\n\nEvery command answers `--help`. What ends a command and with which status is told in the "
TITLE += "[architecture](../architecture.md).\n"


def command_page() -> str:
    """The page, in Markdown: one section a command, those of a group behind it."""
    return "\n".join([TITLE, *_sections(cli, click.Context(cli, info_name="seriatim"))])


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _sections(below, click.Context(below, info_name=name, parent=context))


def _section(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * min(4, 1 + len(path.split()))} {path}", command.help or "", f"```text\n{usage}\n```"]
    options = [shown for shown in command.params if not getattr(shown, "hidden", False)]
    if options:
        rows = [(_names(each, context), _default(each, context), _meaning(each)) for each in options]
        parts.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(parts) + "\n"


def _names(parameter: click.Parameter, context: click.Context) -> str:
    value = parameter.make_metavar(context)
    if isinstance(parameter, click.Argument):
        return code(value)
    opposite = [*parameter.opts, *parameter.secondary_opts]
    takes_value = isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count
    return ", ".join(map(code, opposite)) + (f" {code(value)}" if takes_value else "")


def _default(parameter: click.Parameter, context: click.Context) -> str:
    if parameter.required:
        return "required"
    default = parameter.to_info_dict()["default"]
    if default is None or default is False or default == () or callable(default):
        return ""
    return code(str(default))


def _meaning(parameter: click.Parameter) -> str:
    said = [getattr(parameter, "help", None) or ""]
    if isinstance(parameter.type, click.Choice):
        said.append("One of " + ", ".join(map(code, map(str, parameter.type.choices))) + ".")
    if getattr(parameter, "multiple", False) or parameter.nargs == -1:
        said.append("May be given often.")
    return " ".join(filter(None, said))
