"""Every public method of what an application holds: signatures and docstrings as the code has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import jqjobs
from jqjobs import testing
from jqjobs.api.added_schedules import AddedSchedules
from jqjobs.api.queue import Said
from jqjobs.jobs.context import JobContext
from jqjobs.testing.memory import InMemory
from reference.markdown import code, prose, signature

_CLASSES = (
    jqjobs.App, jqjobs.Job, jqjobs.JobHandle, jqjobs.Batch, jqjobs.ChainHandle, jqjobs.Queue, AddedSchedules,
    JobContext,
)  # fmt: skip
_FUNCTIONS = (jqjobs.current_job, jqjobs.wait_async)


def lines() -> Iterator[str]:
    """Yield the page."""
    for each in _CLASSES:
        yield from _class(each)
    yield from ["## What may be said of jobs", "", prose(Said.__doc__), ""]
    yield from ["## Functions", ""]
    for function in _FUNCTIONS:
        yield from _function(function.__name__, function)
    yield from ["## In tests", ""]
    yield from _function("in_memory", testing.in_memory)
    yield from _members(InMemory)


def _class(kind: type) -> Iterator[str]:
    yield from [f"## {kind.__name__}", "", prose(kind.__doc__), ""]
    yield from _members(kind)


def _members(kind: type) -> Iterator[str]:
    for name, member in public_members(kind).items():
        if isinstance(member, property):
            yield from [f"### {kind.__name__}.{name}", "", prose(member.__doc__), ""]
        else:
            yield from _function(f"{kind.__name__}.{name}", member)


def _function(name: str, function: Any) -> Iterator[str]:
    yield from [f"### {name}", "", code(signature(name.rpartition(".")[2], function)), "", prose(function.__doc__), ""]


def public_members(kind: type) -> dict[str, Any]:
    """Return methods and properties of a class that have a name for everybody, as they are written."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("jqjobs."):
            found |= {name: member for name, member in vars(base).items() if name not in found}
    return {
        name: member
        for name, member in found.items()
        if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member))
    }
