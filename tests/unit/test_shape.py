"""No piece of the package is larger than a reader takes in at once: what grows over the line is cut.

Lines are counted with docstrings and comments, of functions without decorators; methods with properties.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jqjobs

PACKAGE = Path(jqjobs.__file__).parent
MOST_LINES_OF_FILE = 300
MOST_LINES_OF_FUNCTION = 30
MOST_METHODS = 15
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def too_large(source: str) -> Iterator[str]:
    """Yield what is over the line in a file."""
    if (count := len(source.splitlines())) > MOST_LINES_OF_FILE:
        yield f"the file has {count} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTIONS) and (count := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_FUNCTION:
            yield f"{node.name} has {count} lines"
        if isinstance(node, ast.ClassDef):
            count = sum(isinstance(each, FUNCTIONS) for each in node.body)
            if count > MOST_METHODS:
                yield f"{node.name} has {count} methods"


def test_files_functions_and_classes_stay_small() -> None:
    found = [f"{path.relative_to(PACKAGE)}: {what}" for path in sorted(PACKAGE.rglob("*.py"))
             for what in too_large(path.read_text("utf-8"))]  # fmt: skip

    assert found == []


def test_what_is_too_large_is_named() -> None:
    methods = "    def m(self): ...\n"
    at_the_line = "class C:\n" + methods * MOST_METHODS + "async def f():\n" + "    x\n" * (MOST_LINES_OF_FUNCTION - 1)
    over_it = "class C:\n" + methods * (MOST_METHODS + 1) + "async def f():\n" + "    x\n" * MOST_LINES_OF_FUNCTION

    assert [*too_large(at_the_line)] == []
    assert [*too_large(over_it)] == ["C has 16 methods", "f has 31 lines"]
    assert [*too_large("\n" * 301)] == ["the file has 301 lines"]
