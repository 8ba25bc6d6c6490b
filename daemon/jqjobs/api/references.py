"""Where a job is found again: its module, and its name there.

Pickles of jobs hold no more, so pools of processes map over `job`, `job.enqueue` and `job.function`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any


def place_in_module(job: Any) -> tuple[str, str]:
    """Return module and dotted name of a job or of a copy with options. Raises: PicklingError when it has none."""
    name = _name_in_module(job)
    if name is None:
        from pickle import PicklingError  # not at the top: workers do without it, and it takes half a megabyte

        raise PicklingError(f"{job!r} cannot be pickled: no name in {job.__module__} leads to it")
    return job.__module__, name


def _name_in_module(job: Any) -> str | None:
    module = sys.modules.get(job.__module__)
    return next((name for name in _names(module, job) if _is_same(_found(module, name), job)), None)


def _names(module: Any, job: Any) -> Iterator[str]:
    yield getattr(job, "__qualname__", "")
    yield from (name for name, value in getattr(module, "__dict__", {}).items() if _is_same(value, job))


def _found(module: Any, name: str) -> Any:
    try:
        return attrgetter(name)(module)
    except AttributeError:
        return None


def _is_same(found: Any, job: Any) -> bool:
    """Whether both are of one registration; copies with other options are."""
    return type(found) is type(job) and found.signature is job.signature


def job_at(module: str, name: str, options: Any) -> Any:
    """Return the job of that place, with these options for its calls."""
    return attrgetter(name)(importlib.import_module(module)).with_options(options)


def name_by_job(function: Callable[..., Any], job: Any) -> Callable[..., Any]:
    """Return a function that can be pickled although the job has its name: it is the ``function`` of that."""
    name = _name_in_module(job)
    if name is not None and getattr(function, "__qualname__", "") == name and hasattr(function, "__code__"):
        function.__qualname__ = f"{name}.function"
    return function
