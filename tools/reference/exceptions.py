"""Every public exception: parents, code and docstring from the code; when it is raised and what to do from here."""

from __future__ import annotations

from collections.abc import Iterator

import jqjobs
from jqjobs.errors import JqError
from reference.markdown import code, in_one_line, table

#: Exception → (when it is raised, what to do).
_WHEN = {
    "JqError": ("never itself: the parent of all below but those of jobs", "catch a narrower one"),
    "ConfigError": ("a setting, the Redis URL, an annotation or the order of middlewares is wrong: at start, at the "
                    "first call, by `app.load()`", "correct it; the hint says how"),
    "InvalidName": ("a queue, job, id or daemon is named with what a name may not have; raised where it is written",
                    "letters, digits, `_`, `.`, `-`, at most 128"),
    "InvalidOption": ("an option is unknown or out of its range; raised where it is written", "correct it"),
    "InvalidArguments": ("`enqueue`: the arguments do not fit the signature, or are not JSON; nothing was sent",
                         "correct the call, or annotate the parameter"),
    "PayloadTooLarge": ("`enqueue`: they take more than 1 MiB as JSON; `resolve`: the result does",
                        "store the data elsewhere, pass a reference"),
    "DuplicateJobName": ("two functions are registered under one name", "give one of them `name=`"),
    "UnknownJobName": ("a job in memory has a name that the app does not register", "load the module that has it"),
    "NotFound": ("a method of a handle: there is no such job, or it succeeded and nothing of it is kept",
                 "`keep=` keeps successes"),
    "Conflict": ("a method of a handle: the state of the job does not allow that", "look at `state()`"),
    "JobFailed": ("`result()`: the job is dead; also given to `on_failure` where no attempt raised. Has `reason` and "
                  "`error`",
                  "`retry()` once the cause is gone"),
    "ResultMissing": ("`result()`: it succeeded, and what it returned could not be stored. Has `reason`",
                      "return JSON, without NaN and infinity"),
    "ResultNotRun": ("the error of an attempt that returned a generator, coroutine or future: nothing of it has run",
                     "run it in the job, `await` it"),
    "ResultTimeout": ("`result(timeout=…)`: it has not ended in time, and goes on", "wait again"),
    "NeedsRedis": ("jobs are in memory (`JQ_ENGINE`, tests), and only Redis can do that", "`JQ_ENGINE=redis`"),
    "DrainedTooLong": ("in tests, `drain()`: jobs enqueue each other without end", "break the circle"),
    "OutboxMissing": ("the database of an outbox has no table `jqjobs_outbox`", "`jqctl outbox migrate`"),
    "StoreError": ("Redis answers with an error; the parent of the five below", "read it"),
    "StoreUnavailable": ("Redis cannot be reached, or did not answer within `JQ_TIMEOUT`",
                         "`maybe_stored`: look, or send the same `id` again; else nothing was stored"),
    "StoreBusy": ("Redis loads, is read-only, or runs a long script, for `JQ_TIMEOUT` now; nothing was stored",
                  "repeat it later"),
    "StoreFull": ("`enqueue`: Redis is at its `maxmemory`, or the queue at its `--max-length`",
                  "give it memory; what is queued still drains"),
    "Repartitioned": ("`enqueue`: the queue has got other partitions again and again in this moment, or is damaged",
                      "enqueue again what is `unsent`"),
    "NotReplicated": ("`enqueue` with `JQ_WAIT`: the jobs are stored, and too few replicas have them in time. "
                      "Has `handles`", "enqueue with the same `id` again: that passes once enough have it"),
    "StoreRefused": ("Redis refuses the credentials, they lack a permission, or it cannot hold queues",
                     "see [permissions](../protocol.md#permissions)"),
    "Retry": ("by a job", "it counts as a failure, and the job runs again after `delay`"),
    "Snooze": ("by a job", "it runs again after `delay`, in its old place; costs no attempt, `max_snoozes` times"),
    "Discard": ("by a job", "the job is dead at once, with this reason"),
    "JobTimeout": ("in a job whose time limit has passed; no `Exception`", "clean up, let it pass"),
    "JobCancelled": ("in a job that somebody has cancelled; no `Exception`", "clean up, let it pass"),
    "JobInterrupted": ("in a job whose worker must stop; no `Exception`", "clean up, let it pass: it goes back free"),
}  # fmt: skip


def public_exceptions() -> list[type[BaseException]]:
    """Return what is exported from `jqjobs` and can be raised, in the order of the code."""
    found = [getattr(jqjobs, name) for name in jqjobs.__all__]
    kinds = [each for each in found if isinstance(each, type) and issubclass(each, BaseException)]
    order = list(_WHEN)
    return sorted(kinds, key=lambda kind: order.index(kind.__name__))


def lines() -> Iterator[str]:
    """Yield the page."""
    yield "All are exported from `jqjobs`. A `JqError` has a `message`, a `hint` where something can be done, and a"
    yield "`code`, as in the JSON errors of `jqctl`."
    yield ""
    yield from table(("exception", "is a", "code", "raised", "what to do"), map(_row, public_exceptions()))
    for kind in public_exceptions():
        yield from [f"## {kind.__name__}", "", in_one_line(kind.__doc__), ""]


def _row(kind: type[BaseException]) -> tuple[str, ...]:
    when, remedy = _WHEN[kind.__name__]
    parents = ", ".join(code(parent.__name__) for parent in kind.__bases__)
    own = code(kind.code) if issubclass(kind, JqError) else ""
    return f"[`{kind.__name__}`](#{kind.__name__.lower()})", parents, own, when, remedy
