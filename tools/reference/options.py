"""What `App`, `App.job`, `Job.options` and `App.periodic` take: names and defaults are the code's."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jqjobs.api.app import App
from jqjobs.api.function import Job
from jqjobs.jobs.backoff import Delays, Exponential, Fixed
from jqjobs.jobs.hooks import EVENTS
from jqjobs.jobs.limits import Concurrency, RateLimit
from jqjobs.jobs.records import Coalesce
from jqjobs.jobs.registration import APP_WIDE
from reference.markdown import code, prose, shown_value, table

_APP = {
    "imports": "modules that hold jobs, `shop.jobs` or with a wildcard `shop.*.jobs`; loaded by workers",
    "redis_url": "instead of `JQ_REDIS_URL`; a daemon whose app names another Redis than its own refuses to start",
    "prefix": "instead of `JQ_PREFIX`: what all keys begin with",
    "credentials": "a function that returns the password, or `(user, password)`; called before each connection",
    "defaults": "options of `@app.job` for all jobs that do not say otherwise",
    "partitions": 'how many partitions queues get from the first worker that serves them, `{"orders": 4}`; see '
    "[one queue on several cores](../how-to/redis.md#one-queue-on-several-cores)",
}
_JOB = {
    "name": "what producers call it: the function's name, unless given; two functions under one name are an error",
    "queue": "where it goes",
    "priority": "−4096 … 4095, higher first",
    "delay": "how long calls wait, or until when in words, unless they say otherwise",
    "max_attempts": "failures (raised or hung) after which it is dead; three times hung is enough",
    "max_crashes": "deaths of its worker after which it is dead",
    "timeout": "time limit of one attempt; `None` for none",
    "keep": "how long record and result of a success are kept; `None`: not at all",
    "memory": 'what one run needs beyond the worker, such as `"300MB"`: it starts only where so much is free',
    "backoff": "delay after a failure: a duration, a list of them, or a [rule](#back-off); `None` is `Exponential()`",
    "aliases": "former names that queued jobs may still carry",
    "coalesce": "how long a call has its `key`, see [below](#coalescing)",
    "replace": "a job that has the `key` and has not started becomes the new call: debounce",
    "rate_limit": "a [`RateLimit`](#limits), or a function of the arguments by name that returns one or `None`",
    "concurrency": "a [`Concurrency`](#limits), or such a function",
    "redact": "names of arguments, or patterns such as `*card*`, whose values the dashboard does not show",
    "max_throttles": "how often a limit may hold it back before it is dead (`throttled`); `None`: any number",
    "throttle_counts": "whether being held back costs an attempt",
    "retry_on": "types of errors that another attempt may help; then no others",
    "discard_on": "types of errors that make it dead at once (`discarded`); the nearest base that either names decides",
    "max_snoozes": "how often it may raise `Snooze`; once more makes it dead (`discarded`)",
    "on_commit": "calls are stored once the transaction of that database of Django is committed",
    "group": 'what calls take turns as, such as `"{tenant_id}"`, see [fairness](../how-to/fairness.md)',
}
_CALL = {
    "queue": "another queue than the job's",
    "id": "your own id; sending the same id again changes nothing while the record exists",
    "key": "coalescing: while a job has that key, `enqueue` returns that one (`created=False`)",
    "priority": "higher first",
    "delay": "not before this duration has passed, or until when, in words",
    "due": "not before this `datetime` (naive means local time), or moment in words",
    "max_attempts": "failures after which it is dead",
    "max_crashes": "deaths of its worker after which it is dead",
    "timeout": "time limit of one attempt",
    "expires": "not started by then, it is dead",
    "keep": "how long record and result of a success are kept",
    "coalesce": "how long it has the key, see [below](#coalescing)",
    "tags": "words to find it by with `jqctl job list --tag`: a list of at most 16, each 1 to 64 bytes without spaces",
    "group": "what it takes turns as with the other groups of the queue, see [fairness](../how-to/fairness.md)",
    "replace": "a job that has the key and has not started becomes this call, due time included",
    "meta": "a JSON object that travels with the call; the job reads it as `current_job().meta`",
    "on_commit": 'stored when that database of Django commits; `False`: at once; `"outbox"`: as `outbox="default"`',
    "outbox": "written into the [outbox](../how-to/outbox.md) of a Session, a connection, an alias of Django",
}
_PERIODIC = {
    "cron": "five fields (six: seconds first) as in Debian's cron, also `L`, `MON#2`, `@daily`",
    "every": "instead: so often, 1 s to ten years, counted from 1970-01-01 00:00 UTC",
    "tz": "the time zone the expression is read in; `None` is UTC",
    "args": "positional arguments, each time",
    "kwargs": "keyword arguments, each time",
    "missed": "when no daemon saw ticks: run the `latest`, none (`skip`), or `all` (the last 100 at most)",
    "catch_up": "ticks missed longer ago than this never run",
    "overlap": "`False`: a tick is skipped while an earlier run is queued or running",
    "schedule": "its name, if not the job's; a job with several schedules needs it",
}
_HOOK = "called when {when}, see [hooks](#hooks)"
_HOOKS = {
    "on_start": "an attempt is about to begin, within its time limit",
    "on_success": "it succeeded",
    "on_failure": "it is dead",
    "on_retry": "it failed, and runs again after `delay_s`",
    "on_state_change": "a worker started it, or reported its outcome",
    "cleanup": "an attempt that began is over, before anything else runs of it",
}
_COALESCE = {
    Coalesce.QUEUED: "until the job is taken by a worker",
    Coalesce.UNFINISHED: "until it has succeeded or is dead",
    Coalesce.STORED: "while it is dead too, until it is retried or forgotten",
}


def lines() -> Iterator[str]:
    """Yield the page."""
    yield from _of_call("App", "App(…)", App.__init__, _APP)
    yield "Options that `defaults=` takes: " + ", ".join(map(code, APP_WIDE)) + "."
    yield ""
    hooks = {event: _HOOK.format(when=when) for event, when in _HOOKS.items()}
    yield from _of_call("Jobs", "@app.job(…)", typing.get_overloads(App.job)[1], _JOB | hooks)
    yield from _of_call("Calls", "job.options(…)", Job.options, _CALL, default="the job's")
    yield 'Durations are seconds, a `timedelta`, or text such as `"90s"`, `"1h30m"`, `"250ms"`.'
    yield ""
    yield from _of_call("Periodic jobs", "@app.periodic(…)", App.periodic, _PERIODIC)
    yield "All other options are those of `@app.job`, unless it stands above one."
    yield ""
    yield from ["## Coalescing", ""]
    yield from table(("`coalesce`", "the key stands for the job"), [(code(k.value), _COALESCE[k]) for k in Coalesce])
    yield from _values("Back-off", Exponential, Fixed, Delays)
    yield from _values("Limits", RateLimit, Concurrency)
    yield from ["## Hooks", ""]
    called = [(code(f"{event}({', '.join(names)})"), _HOOKS[event]) for event, names in EVENTS.items()]
    yield from table(("hook", "called when"), called)


def _of_call(
    title: str, written: str, function: Callable[..., Any], meanings: Mapping[str, str], default: str = ""
) -> Iterator[str]:
    yield from [f"## {title}", ""]
    parameters = [each for each in inspect.signature(function).parameters.values()
                  if each.name != "self" and each.kind is not each.VAR_KEYWORD]  # fmt: skip
    rows = [(code(each.name), default or _default(each), meanings[each.name]) for each in parameters]
    yield from table((code(written), "default", "meaning"), rows)


def _default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else code(shown_value(parameter.default))


def _values(title: str, *kinds: type) -> Iterator[str]:
    yield from [f"## {title}", ""]
    for kind in kinds:
        fields = [f"{each.name}={_field_default(each)}" for each in dataclasses.fields(kind) if each.init]
        yield f"### {kind.__name__}"
        yield ""
        yield code(f"{kind.__name__}({', '.join(fields)})")
        yield ""
        yield prose(kind.__doc__)
        yield ""


def _field_default(field: dataclasses.Field[Any]) -> str:
    return "…" if field.default is dataclasses.MISSING else shown_value(field.default)
