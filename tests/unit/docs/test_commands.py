"""Each command that a page or a file of deploy/ names is one: its words, its options and their values are accepted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jqjobs.base.config import Environment
from jqjobs.cli import jqctl, jqd
from jqjobs.errors import JqError
from unit.docs.pages import DOCS, ROOT

#: Ends a command in a line of shell, or in a sentence.
_END = frozenset({"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "#"})
#: Runs it.
_BEFORE = r"\$ |docker compose .* |exec |python -m jqjobs "
SHIPPED = [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix != ".json"]
PLACES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *DOCS, *SHIPPED]


def lines_of(path: Path) -> Iterator[str]:
    """Yield what stands in backquotes, and each line of a block or a comment, of which it may be a part."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        for block in re.findall(r"^```\w*.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield from re.sub(r"\\\n\s*", " ", block).splitlines()
        text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        yield from (" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text))
        yield from (line for line in text.splitlines() if line.startswith("    "))
    else:
        yield from (line.lstrip("#; ") for line in text.splitlines() if line.startswith(("#     ", ";     ")))


def commands_in(path: Path) -> Iterator[list[str]]:
    """Yield the words of each jqd and jqctl that stands at the begin of such a line, or behind what runs it."""
    for line in lines_of(path):
        found = re.match(rf"(?:{_BEFORE})?((?:jqd|jqctl) [-a-z].*)", line)
        if found and "[OPTIONS]" not in line and "--help" not in line:  # its usage, written by itself
            yield list(_words(found[1]))


def _words(line: str) -> Iterator[str]:
    lexer = shlex.shlex(re.sub(r"…|\[(?=--)|\](?= |$)", "", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        for word in lexer:
            if word in _END:
                return
            yield "1" if word == "N" else word
    except ValueError:  # a quote whose end is not in this line
        return


def refusal(words: list[str]) -> str:
    """Return why a command is not accepted, "" when it is. That something is left out is no reason, nor is a file."""
    program, *rest = words
    command: click.Command = jqd.command if program == "jqd" else jqctl.cli
    context: click.Context | None = None
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        context = click.Context(command, context, **command.context_settings)
        found = command.get_command(context, rest[0])
        if found is None:
            return "" if getattr(command, "invoke_without_command", False) else f"there is no {rest[0]}"
        command, rest = found, rest[1:]
    try:
        flags = command.make_context(command.name, rest, context).params
        if program == "jqd":
            jqd.read_settings({**flags, "app": flags["app"] or "shop:app"}, Environment({}))
    except (click.MissingParameter, click.BadOptionUsage, click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        return ""
    except (click.ClickException, JqError) as error:
        return "" if "No such file" in str(error) else str(error)
    return ""


@pytest.mark.parametrize("path", PLACES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_command_is_accepted(path: Path) -> None:
    refused = {" ".join(words): why for words in commands_in(path) if (why := refusal(words))}
    assert refused == {}
