"""What the source of the package logs: every call ``log.event(…)``, read from the syntax tree."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jqjobs.jobs.records import Kind
from jqjobs.worker.slots.job_log import _FAILURES, _QUIET

PACKAGE = Path(__file__).parents[3] / "daemon" / "jqjobs"

#: Names that are put together when the line is logged, by the text they are put together from.
_APART = (*_FAILURES, *_QUIET, Kind.SNOOZED)
_COMPOSED = {"f'job.{outcome.kind.value}'": {f"job.{kind.value}" for kind in Kind if kind not in _APART}}

#: Who writes the lines of a room, or of one file where others do.
_PROCESSES = {
    "api": {"application"},
    "base": {"application"},
    "cli": {"daemon"},
    "daemon": {"daemon"},
    "outbox": {"relay"},
    "outbox/producing.py": {"application"},
    "store": {"daemon", "worker"},
    "store/switches.py": {"application", "daemon", "worker"},
    "web": {"dashboard"},
    "worker": {"worker"},
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Module


@dataclass(frozen=True)
class LogCall:
    """One call. ``fields``: by name, whether the field is on the line in any case; ``exception`` for a traceback."""

    place: str
    names: frozenset[str]
    level: str
    fields: dict[str, bool]

    @property
    def processes(self) -> set[str]:
        return _PROCESSES.get(self.place.partition(":")[0]) or _PROCESSES[self.place.partition("/")[0]]


class LogCalls:
    """The calls of a set of modules, each with its path and its source."""

    def __init__(self, sources: Sequence[tuple[str, str]]) -> None:
        self._trees = [(path, ast.parse(source)) for path, source in sources if "log.event" in source]

    @classmethod
    def of_package(cls) -> LogCalls:
        paths = sorted(PACKAGE.rglob("*.py"))
        return cls([(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in paths])

    def __iter__(self) -> Iterator[LogCall]:
        for path, tree in self._trees:
            for scope in ast.walk(tree):
                if isinstance(scope, Scope):
                    yield from (self._read(path, tree, scope, call) for call in _own_calls(scope))

    def _read(self, path: str, tree: ast.Module, scope: Scope, call: ast.Call) -> LogCall:
        given = {each.arg or "**": each.value for each in call.keywords}
        assert "**" not in given, f"{path}:{call.lineno}: fields are given by name"
        level = given.pop("level", None)
        traceback = given.pop("exc_info", None)
        traceback = given.pop("traceback", traceback)
        given.pop("logger", None)
        fields = {name: not _may_be_none(value, scope) for name, value in given.items()}
        if traceback is not None:
            fields["exception"] = True
        names = frozenset(_texts(call.args[0], scope, tree))
        return LogCall(f"{path}:{call.lineno}", names, _level(level), fields)


def _own_calls(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls of ``log.event`` in a function or a module, not those of functions inside it."""
    todo: list[ast.AST] = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        if isinstance(node, Function):
            continue
        todo.extend(ast.iter_child_nodes(node))
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr="event")):
                yield node


def _level(node: ast.expr | None) -> str:
    if node is None:
        return "info"
    if isinstance(node, ast.IfExp):
        return f"{_level(node.orelse)}, {_level(node.body)}"
    number = node.value if isinstance(node, ast.Constant) else getattr(logging, ast.unparse(node).rpartition(".")[2])
    return logging.getLevelName(number).lower()


def _texts(node: ast.expr, scope: Scope, tree: ast.Module) -> set[str]:
    """Return every text an expression can be: a literal, one of two, a local name, or what callers give a parameter."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _texts(node.body, scope, tree) | _texts(node.orelse, scope, tree)
    if ast.unparse(node) in _COMPOSED:
        return _COMPOSED[ast.unparse(node)]
    assert isinstance(node, ast.Name), f"which event is {ast.unparse(node)}?"
    found = [*_assigned(node.id, scope), *_given(node.id, scope, tree)]
    assert found, f"which events can {node.id} be?"
    return {text for value in found for text in _texts(value, scope, tree)}


def _assigned(name: str, scope: Scope) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets)
    ]


def _given(name: str, scope: Scope, tree: ast.Module) -> list[ast.expr]:
    """Return what the calls of this function in its module give for a parameter."""
    if isinstance(scope, ast.Module):
        return []
    parameters = [argument.arg for argument in scope.args.args if argument.arg != "self"]
    if name not in parameters:
        return []
    at = parameters.index(name)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.args[at] for call in calls if ast.unparse(call.func).rpartition(".")[2] == scope.name]


def _may_be_none(node: ast.expr, scope: Scope) -> bool:
    if isinstance(node, ast.Name):
        return any(_may_be_none(value, scope) for value in _assigned(node.id, scope))
    if isinstance(node, ast.IfExp):
        return _may_be_none(node.body, scope) or _may_be_none(node.orelse, scope)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _may_be_none(node.values[-1], scope)
    return isinstance(node, ast.Constant) and node.value is None
