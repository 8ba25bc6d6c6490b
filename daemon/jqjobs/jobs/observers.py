"""Who watches what this process sends and runs: telemetry. Where nobody does, it costs nothing.

An observer sees more than hooks do: a call while it is stored, and an attempt from within, in its own thread or task,
with the outcome before that is reported. It changes nothing; what it raises of an attempt is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from jqjobs.errors import Discard, Retry
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind

#: Called when an attempt has ended: with its outcome, None for a plain success, and what it raised.
Ending = Callable[[Outcome | None, BaseException | None], None]


class Observer(Protocol):
    """Watches the calls and attempts of an app, from any thread."""

    def sending(self, job: str, queue: str, count: int) -> AbstractContextManager[object]:
        """Return what stands around the storing of so many calls of a job."""
        ...

    def label(self, call: NewCall) -> None:
        """Add to the ``meta`` of one of those calls."""
        ...

    def running(self, job: JobContext, waited_ms: int | None) -> Ending:
        """An attempt begins, here; return what is to be told of its end, here too.

        ``waited_ms``: since the job was due; None where that is not known, or an earlier attempt has waited.
        """
        ...

    def flush(self) -> None:
        """The worker ends: what is still held back is to be sent now, within some seconds."""
        ...


def sending(observers: Sequence[Observer], job: str, queue: str, count: int) -> ExitStack:
    """Return what all of them put around the storing of calls."""
    with ExitStack() as stack:
        for observer in observers:
            stack.enter_context(observer.sending(job, queue, count))
        return stack.pop_all()


def is_error(outcome: Outcome | None, error: BaseException | None) -> bool:
    """Whether an attempt ended with an error that somebody should hear of.

    A `Retry` is none while there are attempts left; nor are `Snooze`, `Discard`, cancels and interrupts.
    """
    if outcome is None or outcome.kind not in (Kind.FAILED, Kind.HUNG, Kind.DISCARDED):
        return False
    own = Discard if is_final(outcome) else Retry
    return not issubclass(type(error), own)  # `__class__` may be code of the app


def is_final(outcome: Outcome) -> bool:
    """Whether the job is dead of this failure."""
    return outcome.is_last or outcome.kind is Kind.DISCARDED


def add_baggage(meta: dict[str, object], carried: Mapping[str, str]) -> None:
    """Put headers of a trace into ``meta``. What is there stays; ``baggage`` is a list, and is added to."""
    for name, value in carried.items():
        before = meta.setdefault(name, value)
        if name == "baggage" and before is not value and isinstance(before, str):
            meta[name] = f"{before},{value}"


def carried_by(meta: Mapping[str, object], names: Sequence[str]) -> dict[str, str]:
    """Return those headers of a trace that came with a call. Anybody may have written them: what is no text is none."""
    return {name: value for name in names if isinstance(value := meta.get(name), str)}
