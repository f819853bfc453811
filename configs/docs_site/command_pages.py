"""The reference of the command line: every command with its arguments and options, from click."""

from __future__ import annotations

from collections.abc import Iterator

import click

from configs.docs_site.tables import code, table
from seriatim import cli

TITLE = "# Commands\n\nEvery command answers `--help`. What ends a command, and with which status, is told in the "
TITLE += "[architecture](../architecture.md).\n"
HEAD = ("argument or option", "default", "meaning")


def command_page() -> str:
    """The page, in Markdown: one section a command, those of a group behind it.

    Raises:
        ValueError: a command or an option says nothing about itself.
    """
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
    if not command.help:
        raise ValueError(f"{path} has no docstring; write one, it is the command's help")
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    level = max(2, len(path.split()))
    parts = [f"{'#' * level} {path}", command.help, f"```text\n{usage}\n```"]
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    if shown:
        rows = [(_names(each, context), _default(each), _meaning(each, path)) for each in shown]
        parts.append(table(HEAD, rows))
    return "\n\n".join(parts) + "\n"


def _names(parameter: click.Parameter, context: click.Context) -> str:
    if isinstance(parameter, click.Argument):
        return code(parameter.make_metavar(context))
    names = ", ".join(map(code, [*parameter.opts, *parameter.secondary_opts]))
    if getattr(parameter, "is_flag", False):
        return names
    # What may be chosen, and from where to where, is told in the meaning.
    plain = parameter.metavar or parameter.type.name.split()[0].upper()
    return f"{names} {code(plain)}"


def _default(parameter: click.Parameter) -> str:
    given = parameter.to_info_dict()["default"]
    if parameter.required:
        return "required"
    if given is None or given is False or given == () or callable(given):
        return ""
    return ", ".join(code(str(one)) for one in (given if isinstance(given, tuple) else (given,)))


def _meaning(parameter: click.Parameter, path: str) -> str:
    said = [getattr(parameter, "help", None) or ""]
    if isinstance(parameter, click.Option) and not said[0]:
        raise ValueError(f"{path} {parameter.opts[0]} has no help; give it some")
    if isinstance(parameter.type, click.Choice):
        said.append("One of " + ", ".join(code(str(choice)) for choice in parameter.type.choices) + ".")
    if isinstance(parameter.type, click.IntRange | click.FloatRange):
        said += _limits(parameter.type)
    if getattr(parameter, "multiple", False):
        said.append("May be given often.")
    return " ".join(filter(None, said))


def _limits(limited: click.IntRange | click.FloatRange) -> Iterator[str]:
    if limited.min is not None:
        yield f"{'Above' if limited.min_open else 'At least'} {limited.min}."
    if limited.max is not None:
        yield f"{'Below' if limited.max_open else 'At most'} {limited.max}."
