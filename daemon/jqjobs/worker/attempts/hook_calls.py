"""Calls the hooks of jobs: on_start inside the attempt, cleanup at its end, the others once its outcome is recorded.

Cleanup comes before the report, in the thread of the attempt, so that it never runs beside the next one; of an attempt
whose worker died it is called just before the next one, or with the hooks of the dead job. The others run in the main
thread between two batches, while nothing is held, so that no job waits behind a hook. They are called at most once: if
the worker dies, or the connection breaks while the outcome is reported, they are not called at all. Jobs that died
behind the back of their worker wait in Redis for some worker to call their on_failure. Each hook has a time limit of
its own; what it raises is logged and changes nothing.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import Context
from dataclasses import replace
from functools import partial
from types import CoroutineType
from typing import Any

from jqjobs.api.app import App, Job
from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import InvalidArguments, JobFailed, MalformedPayload, StoreError
from jqjobs.jobs.context import JobContext, context_of
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.payload import decode_payload
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.worker_board import WorkerBoard
from jqjobs.store.calls.deaths import Death, deaths
from jqjobs.store.calls.trips import Settled
from jqjobs.worker.attempts.attempt import Attempt
from jqjobs.worker.attempts.interrupt import Interrupter
from jqjobs.worker.attempts.reasons import REASONS
from jqjobs.worker.trips.exchanger import Exchanger

#: A hook that takes longer is interrupted; a daemon takes a worker for stuck after 30 s.
HOOK_LIMIT_MS = 10_000
#: How often a worker looks for jobs that died elsewhere, and how many it takes care of at a time.
_LOOK_EVERY_MS = 5000
_MOST_DEATHS = 10
_SUCCEEDED = (Kind.DONE, Kind.KEPT)
_REASONS = dict.fromkeys(_SUCCEEDED, "succeeded")
_TRIED_AGAIN = (Kind.FAILED, Kind.HUNG)


def call_hook(event: str, function: Callable[..., Any], args: Sequence[Any], run: Callable[[Any], Any]) -> None:
    """Call one hook. ``run``: runs a coroutine to its end. What ends the running job comes through."""
    try:
        result = function(*args)
        if isinstance(result, CoroutineType):
            run(result)
    except REASONS:
        raise
    except BaseException:  # SystemExit included: a hook ends nothing but itself
        job: JobContext = args[0]
        log.event("hook.failed", level=log.ERROR, exc_info=True, hook=event, job=f"{job.queue}/{job.id}", name=job.name)


def call_start_hooks(app: App, attempt: Attempt, run: Callable[[Any], Any]) -> None:
    """Tell of a job that is about to be called; first clean up after the attempt whose worker died."""
    job = context_of(attempt)
    if attempt.job.uncleaned:
        before = replace(job, attempt=attempt.job.uncleaned, _reporter=None)
        for function in app.registry.hooks_of(attempt.known, "cleanup"):
            call_hook("cleanup", function, (before,), run)
    for function in app.registry.hooks_of(attempt.known, "on_state_change"):
        call_hook("on_state_change", function, (job, "ready", "active", "taken"), run)
    for function in app.registry.hooks_of(attempt.known, "on_start"):
        call_hook("on_start", function, (job,), run)


async def after_hooks(hooks: Sequence[Coroutine[Any, Any, Any]], job: JobContext, result: Any) -> Any:
    """Await what hooks of a start have left to await, then the job's coroutine, which has not begun before that."""
    from asyncio import CancelledError, current_task

    for hook in hooks:
        try:
            await hook
        except BaseException as error:
            task = current_task()
            if isinstance(error, CancelledError) and task is not None and task.cancelling():
                raise  # the job is told to end; else a task of the hook's own was cancelled
            log.event("hook.failed", level=log.ERROR, exc_info=True, hook="on_start", job=job.ref, name=job.name)
    return await result if isinstance(result, CoroutineType) else result


def events_of(outcome: Outcome, settled: Settled | None) -> Iterator[tuple[Any, ...]]:
    """Return the events that a recorded outcome is for hooks, each with what they are called with.

    ``settled``: what became of the job; None when its report came too late, so that the attempt counts for nothing.
    """
    attempt: Attempt = outcome.after
    if outcome.kind is Kind.MISFIT and (settled is None or settled[0] != "dead"):
        return  # nothing began
    job = context_of(attempt)
    if settled is None:
        return
    state, reason = settled
    if outcome.kind in _SUCCEEDED:
        yield "on_success", job, attempt.result
    elif state == "dead" and reason != "cancelled":
        yield "on_failure", job, attempt.error or _failed(job, reason, None)
    elif outcome.kind in _TRIED_AGAIN and state != "dead":
        yield "on_retry", job, attempt.error, outcome.delay_ms / 1000
    yield "on_state_change", job, "active", state, reason or _REASONS.get(outcome.kind, outcome.kind.value)


class HookQueue:
    """The hooks that are still to be called."""

    def __init__(
        self, app: App, exchanger: Exchanger, interrupter: Interrupter, board: WorkerBoard, rng: random.Random
    ) -> None:
        self._app = app
        self._exchanger = exchanger
        self._interrupter = interrupter
        self._board = board
        self._rng = rng
        self._names = [name for name, entry in app.registry.catalog().items() if entry.get("hooks")]
        self._next_look_ms = 0.0
        self._dead: deque[Death] = deque()

    @property
    def pending(self) -> bool:
        """Whether the next trip should take nothing, because hooks come first."""
        return (
            self._exchanger.reports.has_hooked
            or self._app.put_off.pending
            or bool(self._exchanger.recorded or self._dead)
        )

    @property
    def looks_in_ms(self) -> float:
        """In how many ms `look` has something to do; infinite when it never has."""
        return max(0.0, self._next_look_ms - monotonic_ms()) if self._names else math.inf

    def look_soon(self) -> None:
        """Have the next `look` ask: the worker serves queues that it did not serve before."""
        self._next_look_ms = 0.0

    def run(self) -> bool:
        """Call the hooks of what is recorded by now; return whether there were any."""
        ran = False
        while self.run_next():
            ran = True
        return ran

    def run_next(self) -> bool:
        """Call the hooks of one job that is recorded by now, or one call that was put off; False: there is none."""
        if self._exchanger.recorded:
            outcome, settled = self._exchanger.recorded.popleft()
            for event, *args in events_of(outcome, settled):
                self._call(outcome.after.known, event, *args)
        elif self._dead:
            self._tell_of_death(self._dead.popleft())
        elif self._app.put_off.pending:
            self._limited("later", "", self._app.put_off.run_next)
        else:
            return False
        return True

    def look(self, queues: Sequence[str]) -> None:
        """Now and then ask for jobs that died elsewhere, if this app has hooks for that."""
        now_ms = monotonic_ms()
        if not self._names or now_ms < self._next_look_ms:
            return
        self._next_look_ms = now_ms + _LOOK_EVERY_MS * self._rng.uniform(0.75, 1.25)
        try:
            calls = [deaths(queue, self._names, _MOST_DEATHS) for queue in self._exchanger.nodes.askable(queues)]
            found = self._exchanger.between_trips(lambda store: store.run_many(calls))
        except StoreError:  # the next trip says so
            return
        self._dead.extend(death for answer in found if not isinstance(answer, StoreError) for death in answer)

    def _tell_of_death(self, death: Death) -> None:
        known = self._app.jobs[death.name]
        meta, args, kwargs = _read(known, death.payload)
        most = known.settings.max_attempts
        job = JobContext(
            death.id, queue_of(death.queue), known.name, death.attempt, death.failures, "", meta, args, kwargs, most
        )
        if death.uncleaned:  # first, since on_failure may send it back
            self._call(known, "cleanup", replace(job, attempt=death.uncleaned))
        if death.reason != "cancelled":
            self._call(known, "on_failure", job, _failed(job, death.reason, death.error))

    def _call(self, known: Job[..., Any], event: str, *args: Any) -> None:
        job: JobContext = args[0]
        for function in self._app.registry.hooks_of(known, event):
            call = partial(call_hook, event, function, args, self._interrupter.run_async)
            self._limited(event, f"{job.queue}/{job.id}", call)

    def _limited(self, what: str, job: str, call: Callable[[], None]) -> None:
        self._board.tick()
        try:
            work = TakenJob("", job, 0, what, b"", timeout_ms=HOOK_LIMIT_MS)
            Context().run(self._interrupter.call_limited, work, call)  # what it sets is not for the next one
        except REASONS as error:
            log.event("hook.ended", level=log.ERROR, hook=what, job=job or None, error=str(error))


def _failed(job: JobContext, reason: str, error: str | None) -> JobFailed:
    what = f"job {job.queue}/{job.id} is dead ({reason}): {error or 'no error is known'}"
    return JobFailed(what, reason=reason, error=error)


def _read(known: Job[..., Any], raw: bytes) -> tuple[dict[str, Any], Sequence[Any], dict[str, Any]]:
    try:
        payload = decode_payload(raw)
        args, kwargs = known.signature.decode(payload)
    except (MalformedPayload, InvalidArguments):  # perhaps that is why it is dead
        return {}, (), {}
    return payload.meta, args, kwargs
