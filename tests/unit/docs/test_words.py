"""One word, one thing: what the glossary has replaced stands nowhere any more, and its states are those of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.cli.daemon import daemon_report
from jqjobs.daemon.control import order_executor
from jqjobs.daemon.health import probes
from jqjobs.operations import daemons
from unit.docs.pages import ARCHITECTURE, PACKAGE, PROTOCOL, ROOT, chapter, section

#: Where the words of the project are looked for.
PLACES = ("daemon", "tests", "docs", "examples", "benchmarks", "deploy", "README.md", "pyproject.toml", "Makefile")
TEXT = {".py", ".lua", ".md", ".toml", ".conf", ".service", ""}

GLOSSARY = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section(ARCHITECTURE, "Glossary").splitlines()
            if line.startswith("| ") and not line.startswith("| word |")]  # fmt: skip
REPLACED = sorted(word for row in GLOSSARY for word in re.findall(r"`(.+?)`", row[2]))


def files() -> Iterator[Path]:
    for place in PLACES:
        start = ROOT / place
        yield from [start] if start.is_file() else (path for path in start.rglob("*") if path.suffix in TEXT)


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """Every line of the project with its place, but those of the glossary and of this file."""
    own = set(section(ARCHITECTURE, "Glossary").splitlines())
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in files()
        if path.is_file() and path != Path(__file__) and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if line not in own
    ]


def uses(word: str) -> re.Pattern[str]:
    """The word in prose or as a part of a name: `crew`, `crews`, `the_crew`, `CrewOf`, but not `screw`."""
    start, rest = word[0], re.escape(word[1:])
    return re.compile(rf"(?<![a-zA-Z]){start}{rest}s?(?![a-z])|{start.upper()}{rest}s?(?![a-z])|{word.upper()}")


@pytest.mark.parametrize("word", REPLACED)
def test_a_word_that_was_replaced_is_not_used_any_more(word: str, lines: list[tuple[str, str]]) -> None:
    pattern = uses(word)
    assert [f"{place}: {line.strip()}" for place, line in lines if pattern.search(line)] == []


@pytest.mark.parametrize("text", ["a crew of", "the_crew", "CrewOf", "self._crew.look", "CREWS"])
def test_a_replaced_word_is_found_inside_of_names(text: str) -> None:
    assert uses("crew").search(text)
    assert not uses("crew").search("screwed")


def test_each_word_of_the_glossary_stands_there_once() -> None:
    words = [word for row in GLOSSARY for word in row[0].split(", ")]
    assert len(words) == len(set(words))
    assert all(len(row) == 3 and row[1] for row in GLOSSARY)


def named(table: str) -> set[str]:
    """The states in the first column of a table of the chapter States."""
    rows = chapter(ARCHITECTURE, "States").partition(f"| {table} | |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE))


def literals(node: ast.AST) -> set[str]:
    """The texts in a piece of code that could be the name of a state: one word each."""
    found = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return {text for text in found if re.fullmatch(r"[a-z_]+", text)}


def states_in_registry(key: str) -> set[str]:
    """What docs/protocol.md says that a field `state` can be."""
    found = re.search(rf"`jq:{{~}}:{key}:<id>`:.*?`state` \((.*?)\)", section(PROTOCOL, "Registry"), re.DOTALL)
    assert found
    return set(found[1].split(", "))


def test_the_states_of_a_daemon_are_those_it_can_show() -> None:
    tree = ast.parse((PACKAGE / "daemon" / "shown_state.py").read_text("utf-8"))
    [look] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "look"]

    assert named("daemon") == literals(look)
    assert states_in_registry("daemon") == named("daemon")


def states_given_to_workers() -> Iterator[str]:
    """What the daemon writes into `state` of a worker, and what is shown instead."""
    for path in (PACKAGE / "daemon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr="state") | ast.Name(id="state")], value=value) if value:
                    yield from literals(value)
                case ast.AnnAssign(target=ast.Name(id="state"), value=ast.Constant(value=str(text))):
                    yield text


def test_the_states_of_a_worker_are_those_its_daemon_gives_it() -> None:
    assert named("worker") == set(states_given_to_workers())
    assert states_in_registry("worker") == named("worker")


def test_whoever_asks_for_a_state_asks_for_one_that_there_is() -> None:
    asked = {*daemon_report._STATES, *daemons._UNABLE, *probes._TAKING, *order_executor._TOO_LATE}
    assert asked - named("daemon") == set()
