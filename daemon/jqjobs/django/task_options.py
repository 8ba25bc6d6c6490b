"""What a task may say beyond what Django knows, and where it says it.

``@task(max_attempts=5)`` from Django 6.1 on and with django-tasks, ``@options(max_attempts=5)`` under ``@task``
everywhere, ``send.using(max_attempts=5)`` for the calls made on that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from jqjobs.base.nearest import nearest
from jqjobs.django.framework import Task
from jqjobs.errors import InvalidOption

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "jqjobs_options"
#: What each call may say for itself.
OF_CALLS = (
    "max_attempts", "max_crashes", "timeout", "expires", "keep", "key", "coalesce", "replace", "meta", "on_commit",
    "outbox",
)  # fmt: skip
#: What is said where the task is written: workers and limits go by it.
OF_TASKS = (
    "backoff", "memory", "rate_limit", "concurrency", "max_throttles", "throttle_counts", "redact", "aliases",
)  # fmt: skip
#: Those of calls that workers publish, too: they hold for calls of other languages.
PUBLISHED = ("max_attempts", "max_crashes", "timeout", "keep", "coalesce", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class JqTask(Task):  # type: ignore[misc, unused-ignore]
    """A task with the options of `jqjobs.App.job`. ``key`` may name arguments: ``"welcome:{user_id}"``."""

    max_attempts: Any = None
    max_crashes: Any = None
    timeout: Any = None
    expires: Any = None
    keep: Any = None
    key: Any = None
    coalesce: Any = None
    replace: Any = None
    meta: Any = None
    on_commit: Any = None
    outbox: Any = None
    backoff: Any = None
    memory: Any = None
    rate_limit: Any = None
    concurrency: Any = None
    max_throttles: Any = None
    throttle_counts: Any = None
    redact: Any = None
    aliases: Any = None

    def using(self, **changes: Any) -> Any:
        """Return the task with other settings for the calls made on it; None leaves one as it is."""
        for name in changes:
            if name not in _USED:
                raise TypeError(f"using() got an unexpected keyword argument {name!r}")
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


_USED = ("priority", "queue_name", "run_after", "backend", *OF_CALLS)


def options(**given: Any) -> Callable[[F], F]:
    """Give a function options of `jqjobs.App.job`; to be written under ``@task``. Raises: InvalidOption."""
    known = (*OF_CALLS, *OF_TASKS)
    for name in given:
        if name not in known:
            meant = nearest(name, known, at_least=0.0)
            raise InvalidOption(f"a task has no option {name!r}", hint=f"did you mean {meant!r}?")

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, given)
        return function

    return mark


def options_of(task: Any) -> Mapping[str, Any]:
    """Return what is said of a task, under ``@task`` and in it."""
    own = {each.name: getattr(task, each.name) for each in fields(task) if each.name in (*OF_CALLS, *OF_TASKS)}
    return {**getattr(task.func, _ATTRIBUTE, {}), **{name: value for name, value in own.items() if value is not None}}
