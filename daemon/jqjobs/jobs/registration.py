"""What a function is registered with: the settings of a job, checked, and where the function comes from.

Values only; `api.function` and `api.app` are their users, workers read them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from jqjobs.base.clock import Duration
from jqjobs.base.nearest import nearest
from jqjobs.base.sizes import Size, size_bytes
from jqjobs.errors import InvalidOption
from jqjobs.jobs.backoff import Backoff, Exponential, backoff_of, published_delays
from jqjobs.jobs.groups import check_group_form
from jqjobs.jobs.hooks import EVENTS, Hooks, check_runs
from jqjobs.jobs.limits import NO_LIMITS, ConcurrencyRule, Limits, RateRule
from jqjobs.jobs.moments import check_delay, is_moment, wait_ms
from jqjobs.jobs.options import check_coalesce, check_integer, check_on_commit, positive_ms
from jqjobs.jobs.records import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAX_CRASHES,
    DEFAULT_MAX_SNOOZES,
    PRIORITIES,
    Coalesce,
    check_name,
)
from jqjobs.jobs.verdicts import NO_VERDICTS, ErrorTypes, Verdicts, verdicts_of

#: What `App` can say for all its jobs at once; hooks of all jobs have decorators of their own.
APP_WIDE = (
    "queue", "priority", "max_attempts", "max_crashes", "timeout", "backoff", "keep", "memory", "coalesce", "replace",
    "rate_limit", "concurrency", "max_throttles", "throttle_counts", "redact", "on_commit", "retry_on", "discard_on",
    "max_snoozes", "group",
)  # fmt: skip
#: What other queues call some of them, where the nearest word means something else.
_ELSEWHERE = {
    "retries": "max_attempts", "max_retries": "max_attempts", "retry": "max_attempts", "retry_delay": "backoff",
    "default_retry_delay": "backoff", "retry_backoff": "backoff", "countdown": "delay", "eta": "delay",
    "autoretry_for": "retry_on", "retry_for": "retry_on", "dont_autoretry_for": "discard_on", "throws": "discard_on",
    "time_limit": "timeout", "soft_time_limit": "timeout", "result_ttl": "keep",
}  # fmt: skip
_ONE_JOBS_OWN = ("name", "aliases", "delay", *EVENTS)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a job is registered with. ``timeout_ms`` and ``keep_ms`` are None for "no limit" and "not kept"."""

    name: str
    queue: str = "default"
    priority: int = 0
    delay: Duration = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    max_crashes: int = DEFAULT_MAX_CRASHES
    max_snoozes: int = DEFAULT_MAX_SNOOZES
    timeout_ms: int | None = None
    keep_ms: int | None = None
    memory_bytes: int = 0
    coalesce: str = Coalesce.UNFINISHED
    replace: bool = False
    backoff: Backoff = field(default_factory=lambda: backoff_of(None))
    aliases: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    max_throttles: int | None = None
    throttle_counts: bool = False
    redact: tuple[str, ...] = ()
    on_commit: str | Literal[False] | None = None
    verdicts: Verdicts = NO_VERDICTS
    group: str | None = None
    hooks: Hooks = field(default_factory=Hooks, compare=False)

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            check_name(name, "job name")
        check_name(self.queue, "queue")
        check_integer(self.priority, "priority", PRIORITIES)
        check_integer(self.max_attempts, "max_attempts", range(1, 1_000_001))
        check_integer(self.max_crashes, "max_crashes", range(1, 1_000_001))
        check_integer(self.max_snoozes, "max_snoozes", range(1, 1_000_001))
        check_integer(self.max_throttles, "max_throttles", range(1, 1_000_001))
        if not isinstance(self.throttle_counts, bool):
            raise InvalidOption(f"throttle_counts {self.throttle_counts!r} is neither True nor False")
        check_coalesce(self.coalesce, self.replace)
        check_on_commit(self.on_commit)
        check_group_form(self.group)
        check_delay(self.delay)

    def catalog_entry(self, doc: str) -> dict[str, Any]:
        """Return what workers publish about the job, for the scripts and for producers in other languages."""
        waits_for_moment = is_moment(self.delay)
        delays_ms = published_delays(self.backoff)
        is_spread = isinstance(self.backoff, Exponential) and self.backoff.jitter
        entry = {
            "queue": self.queue, "priority": self.priority,
            "max_attempts": self.max_attempts, "max_crashes": self.max_crashes,
            "timeout_ms": self.timeout_ms, "keep_ms": self.keep_ms, "doc": doc,
            "coalesce": "" if self.coalesce == Coalesce.UNFINISHED else self.coalesce, "replace": self.replace or None,
            "limited": bool(self.limits) or None, "max_throttles": self.max_throttles,
            "throttle_counts": self.throttle_counts or None, "memory_bytes": self.memory_bytes or None,
            "backoff_ms": delays_ms or None, "backoff_jitter": (bool(delays_ms) and is_spread) or None,
            "redact": list(self.redact) or None, "group": self.group, "delay": self.delay if waits_for_moment else None,
            "delay_ms": None if waits_for_moment else wait_ms(self.delay, "delay", 0) or None,
        }  # fmt: skip
        return {key: value for key, value in entry.items() if value not in (None, "")}


def check_options(options: Iterable[str]) -> None:
    """Raise InvalidOption unless these are options of `App.job`."""
    _refuse_others(options, (*APP_WIDE, *_ONE_JOBS_OWN), "a job has no option")


def app_defaults(defaults: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what `App` was told for all its jobs. Raises: InvalidOption, InvalidName."""
    found = dict(defaults or {})
    for name in _ONE_JOBS_OWN:
        if name in found:
            hint = f"write @app.{name} above a function" if name in EVENTS else ""
            raise InvalidOption(f"{name!r} belongs to one job, and is no default of all", hint=hint)
    _refuse_others(found, APP_WIDE, "defaults= knows no option")
    settings_of(app_defaults, **found)  # so that a wrong value is refused here, and not at the first job
    return MappingProxyType(found)


def _refuse_others(options: Iterable[str], known: Sequence[str], complaint: str) -> None:
    for name in options:
        if name not in known:
            elsewhere = _ELSEWHERE.get(name)
            meant = elsewhere if elsewhere in known else nearest(name, known, at_least=0.0)
            raise InvalidOption(f"{complaint} {name!r}", hint=f"did you mean {meant!r}?")


def settings_of(
    function: Callable[..., Any], *, name: str | None = None,
    timeout: Duration | None = "1h", keep: Duration | None = None, memory: Size = 0,
    backoff: Backoff | Duration | Sequence[Duration] | None = None, aliases: Iterable[str] = (),
    rate_limit: RateRule | None = None, concurrency: ConcurrencyRule | None = None, redact: Iterable[str] = (),
    retry_on: ErrorTypes = (), discard_on: ErrorTypes = (), **plain: Any,
) -> Settings:  # fmt: skip
    """Return the settings of a function, of the options of `App.job`. Raises: InvalidName, InvalidOption."""
    check_callable(function)
    check_runs(_code_of(function), "a job")
    hooks = {event: plain.pop(event, None) for event in EVENTS}
    return Settings(
        name or _own_name(function),
        timeout_ms=None if timeout is None else positive_ms(timeout, "timeout"),
        keep_ms=None if keep is None else positive_ms(keep, "keep"),
        memory_bytes=size_bytes(memory, "memory"), backoff=backoff_of(backoff), aliases=names_of(aliases),
        limits=Limits(rate_limit, concurrency), redact=names_of(redact, "redact"), hooks=Hooks(hooks),
        verdicts=verdicts_of(retry_on, discard_on), **plain,
    )  # fmt: skip


def check_callable(function: Any) -> None:
    """Raise InvalidOption for what cannot be called, for a method without its instance, and for what only makes one."""
    if not callable(function):
        raise InvalidOption(
            f"{function!r} cannot be called", hint="register a function; of a class method: Class.method"
        )
    if inspect.isclass(function) and "__call__" in vars(function):
        raise InvalidOption(
            f"a call of {function.__qualname__} makes an instance, and of that nothing would run",
            hint="register an instance: app.job(name=…)(instance)",
        )
    if _lacks_instance(function):
        raise InvalidOption(
            f"{_method_name(function)} is a method, and a job has no instance to call it on",
            hint="register a function, or the method of an instance: app.job(name=…)(instance.method)",
        )


def _lacks_instance(function: Any) -> bool:
    if not inspect.isfunction(function):
        return False
    owner, _, _ = function.__qualname__.rpartition(".")
    code = inspect.unwrap(function).__code__
    is_in_class = owner and not owner.endswith("<locals>")
    return _partial_method(function) is not None or bool(
        is_in_class and code.co_argcount and code.co_varnames[0] in ("self", "cls")
    )


def _partial_method(function: Any) -> Any:
    # The name of Python 3.13, the one before; it is the only trace.
    return getattr(function, "__partialmethod__", getattr(function, "_partialmethod", None))


def _method_name(function: Any) -> str:
    partial = _partial_method(function)
    return str(getattr(partial.func if partial else function, "__qualname__", function))


def awaitable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function for a callable object that is one at heart, anything else as it is."""
    if inspect.iscoroutinefunction(function) or not inspect.iscoroutinefunction(_code_of(function)):
        return function

    @functools.wraps(function, updated=())
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return call


def _code_of(function: Any) -> Any:
    """Return what runs in a call: of an object that is no function its ``__call__``."""
    is_itself = inspect.isroutine(function) or inspect.isclass(function) or isinstance(function, functools.partial)
    return function if is_itself else type(function).__call__


def _own_name(function: Any) -> str:
    name: str | None = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise InvalidOption(f"{function!r} has no name of its own", hint="give it one: app.job(name=…)")
    return name


def names_of(names: Iterable[str], option: str = "aliases") -> tuple[str, ...]:
    """Return the names of an option as a tuple. Raises: InvalidOption for a text, whose letters would be meant."""
    if isinstance(names, str):
        raise InvalidOption(f"{option} is a list of names, not the text {names!r}")
    return tuple(names)


def is_same_source(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two function objects come from one definition, as when a module is both __main__ and imported.

    Functions that one factory makes share a place too, but are as many jobs.
    """
    if one is other:
        return True
    return hasattr(one, "__code__") and "<locals>" not in one.__qualname__ and place_of(one) == place_of(other)


def place_of(function: Callable[..., Any]) -> str:
    """Return where a function is written, as ``file:line``."""
    code = getattr(function, "__code__", None)
    module = sys.modules.get(function.__module__)
    file = code.co_filename if code else getattr(module, "__file__", "?")
    return f"{file}:{code.co_firstlineno if code else '?'}"


def first_line(function: Callable[..., Any]) -> str:
    """Return the first line of what is said about a function, at most 200 characters."""
    if isinstance(function, functools.partial):  # its own says what a partial is
        return first_line(function.func)
    return next(iter((function.__doc__ or "").strip().splitlines()), "")[:200]
