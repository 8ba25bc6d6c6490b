"""Tables, signatures and docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, and an empty one."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def code(text: object) -> str:
    """Return it as code."""
    return f"`{text}`"


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: one backquote where reStructuredText has two."""
    return inspect.cleandoc(docstring or "").replace("``", "`")


def in_one_line(docstring: str | None) -> str:
    """Return a docstring as one cell of a table."""
    return " ".join(prose(docstring).split())


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return how a function is called, with annotations as they are written."""
    found = inspect.signature(function)
    shown = [_parameter(each) for each in found.parameters.values() if each.name != "self"]
    stars = [n for n, each in enumerate(found.parameters.values()) if each.kind is inspect.Parameter.KEYWORD_ONLY]
    takes_any = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in found.parameters.values())
    if stars and not takes_any:
        shown.insert(stars[0] - ("self" in found.parameters), "*")
    return f"{name}({', '.join(shown)}){_returned(found.return_annotation)}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    star = stars.get(parameter.kind.name, "")
    annotated = "" if parameter.annotation is parameter.empty else f": {_written(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return f"{star}{parameter.name}{annotated}"
    equals = " = " if annotated else "="
    return f"{parameter.name}{annotated}{equals}{shown_value(parameter.default)}"


def _returned(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    text = re.sub(r"^Steps\[(.*)\]$", r"\1", _written(annotation))  # `api.queue` makes methods of steps
    return f" -> {text}"


def _written(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def shown_value(value: Any) -> str:
    """Return a default as one writes it."""
    return str(value) if isinstance(value, (int, float)) else repr(getattr(value, "value", value)).replace("'", '"')
