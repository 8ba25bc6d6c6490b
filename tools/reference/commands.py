"""The command lines of `jqd` and `jqctl`, as click knows them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from jqjobs.cli.jqctl import cli
from jqjobs.cli.jqd import command as jqd
from reference.markdown import code, table

#: Options that every command of jqctl has: told once.
_COMMON = ("--redis", "--prefix", "--json", "-o", "--help")


def jqd_lines() -> Iterator[str]:
    """Yield the page of jqd."""
    context = click.Context(jqd, info_name="jqd", **jqd.context_settings)
    yield from _told(context)
    yield "Each option is explained in [settings](settings.md)."
    yield ""
    yield from _options(context, leaving_out=("--help",))


def jqctl_lines() -> Iterator[str]:
    """Yield the page of jqctl."""
    context = click.Context(cli, info_name="jqctl", **cli.context_settings)
    yield from _told(context)
    yield from ["## Options of every command", ""]
    status = next(command for command in commands() if command.info_name == "status")
    shared = [each for each in status.command.get_params(status) if set(each.opts) & set(_COMMON)]
    yield from _table_of(shared, status)
    for command in commands():
        yield from [f"## {command.command_path}", ""]
        yield from _told(command)
        yield from _options(command, leaving_out=_COMMON)


def commands() -> Iterator[click.Context]:
    """Yield every command of jqctl that does something, in the order of their names."""
    yield from _beneath(click.Context(cli, info_name="jqctl", **cli.context_settings))


def _beneath(context: click.Context) -> Iterator[click.Context]:
    group = context.command
    if not isinstance(group, click.Group):
        yield context
        return
    if group.invoke_without_command and context.parent is not None:
        yield context  # `jqctl web` serves, `jqctl web passwd` does not
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is not None:
            yield from _beneath(click.Context(command, info_name=name, parent=context))


def _told(context: click.Context) -> Iterator[str]:
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield from ["```", f"{context.command_path} {usage}", "```", ""]
    yield from _help(context.command.help or "")


def _help(text: str) -> Iterator[str]:
    """Yield the help of a command; what stands below a `\\b` is laid out, so it becomes a block."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            title, *block = paragraph.splitlines()[1:]
            is_titled = title.endswith(":")
            yield from [title, ""] if is_titled else []
            yield from ["```", *(block if is_titled else [title, *block]), "```", ""]
        else:
            yield from [_escaped(paragraph), ""]


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*")


def _options(context: click.Context, leaving_out: tuple[str, ...]) -> Iterator[str]:
    shown = [each for each in context.command.get_params(context) if not set(each.opts) & set(leaving_out)]
    yield from _table_of(shown, context)


def _table_of(parameters: list[click.Parameter], context: click.Context) -> Iterator[str]:
    records = [found for each in parameters if (found := each.get_help_record(context))]
    if records:
        yield from table(("option", "meaning"), [(code(option), _escaped(text)) for option, text in records])
