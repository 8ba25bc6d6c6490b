"""Whatever anybody gives to an option or argument of any command: an exit code and one line, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest

from jqjobs.cli import jqctl
from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import upkeep
from nonsense import NONSENSE
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

#: What is given to what must be given, where it is not the one that is tried.
SENSIBLE = {"jobs": "q/a", "job": "q/a", "queue": "q", "target": "other", "names": "d", "token": "t", "workers": "1"}
#: They are the same everywhere, and are tried with one command.
EVERYWHERE = {"--redis", "--prefix", "--output", "--json", "--help", "--version"}


def commands(
    group: click.Command = jqctl.cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, (*path, name))


#: A command of two names, under one of them.
COMMANDS = {path: command for command, path in {command: path for path, command in commands()}.items()}


def tries(command: click.Command) -> Iterator[list[str]]:
    """One command line for each parameter and each value that it may get."""
    tried = [each for each in command.params if not EVERYWHERE & set(each.opts) and not getattr(each, "is_flag", False)]
    for parameter in tried:
        others = [other for other in command.params if other.required and other is not parameter]
        rest = [word for other in others for word in given(other, SENSIBLE.get(other.name or "", "q"))]
        for value in NONSENSE:
            yield [*given(parameter, value), *rest]


def given(parameter: click.Parameter, value: str) -> list[str]:
    return [value] if isinstance(parameter, click.Argument) else [f"{max(parameter.opts, key=len)}={value}"]


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


#: Who would wait there, or go on for ever, is interrupted at once.
PATIENCE = (
    "time.sleep", "jqjobs.store.calls.tail_reader.TailReader.read", "socketserver.BaseServer.serve_forever",
    "jqjobs.cli.daemon.scaling_loop.failure_of", "jqjobs.cli.daemon.scaling_loop._end_of_process",
)  # fmt: skip


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for place in PATIENCE:
            patched.setattr(place, interrupted)
        yield


@pytest.fixture
def queue(system: QueueSystem) -> QueueSystem:
    """One with a job in some states, an envelope and a daemon."""
    system.run(upkeep.add_queues(["q"]))
    system.add("a")
    system.round(Kind.DISCARDED)
    system.add("b", "c")
    return system


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("queue", "impatient")
def test_no_value_of_any_option_ends_in_a_traceback(terminal: Terminal, path: tuple[str, ...]) -> None:
    for words in tries(COMMANDS[path]):
        check(terminal, [*path, *words])


@pytest.mark.parametrize("option", ["--redis", "--prefix", "--output"])
@pytest.mark.usefixtures("queue", "impatient")
def test_nor_of_those_that_all_commands_have(terminal: Terminal, option: str) -> None:
    for value in NONSENSE:
        check(terminal, ["status", f"{option}={value}"])


def check(terminal: Terminal, line: list[str]) -> None:
    shown = [word[:60] for word in line]
    try:
        code = terminal.run(*line, "--json")
    except Exception as error:
        raise AssertionError(f"{shown} raised {error!r}") from error
    assert code in list(Exit), shown
    assert "Traceback" not in terminal.err, shown
    if code in (Exit.ERROR, Exit.USAGE) and terminal.err:
        assert json.loads(terminal.err.splitlines()[-1])["error"]["message"], shown
