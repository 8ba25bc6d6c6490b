"""What a running job can know about itself, and say of itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from jqjobs.base.clock import Duration
from jqjobs.errors import InvalidOption
from jqjobs.jobs.options import positive_ms
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS
from jqjobs.jobs.taken_job import TakenJob


class JobReporter(Protocol):
    """Takes down what running jobs say of themselves; a worker's is `NoteWriter`. `progress` and `log` never wait."""

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        ...

    def has(self, job: TakenJob) -> bool:
        """Whether something of that is by this job."""
        ...

    def progress(self, job: JobContext, percent: float, text: str) -> None:
        """Replace what was last said of the progress of a job."""
        ...

    def log(self, job: JobContext, text: str) -> None:
        """Add a line to the log of a job."""
        ...

    def wait_token(self, job: JobContext) -> str:
        """Record a token for the running attempt; the one thing here that waits for Redis, and may raise."""
        ...

    def write(self) -> None:
        """Write what is pending; called when a job has ended that leaves a record."""
        ...

    async def write_aside(self) -> None:
        """The same, for a coroutine: the event loop goes on meanwhile."""
        ...

    def forget(self, job: TakenJob) -> None:
        """Drop what a job has said."""
        ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """The job that runs here. ``attempt`` counts takes, ``failures`` those that raised or hung before.

    ``max_attempts`` failures make it dead. ``snoozes``: how often it has asked to run later. ``failures`` and
    ``snoozes`` begin anew when somebody retries the dead job.
    """

    id: str
    queue: str
    name: str
    attempt: int
    failures: int
    worker: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    snoozes: int = 0
    _reporter: JobReporter | None = field(default=None, repr=False, compare=False)
    #: The batch that it is in (`jqjobs.api.batches.Batch`), to which it may add; None: it is in none.
    batch: Any = field(default=None, repr=False, compare=False)
    #: The queue, or the partition of it, whose keys have the job; "": the queue.
    place: str = field(default="", repr=False, compare=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `App.resolve` and `jqctl` take it."""
        return f"{self.queue}/{self.id}"

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job is dead if this attempt fails."""
        return self.failures + 1 >= self.max_attempts

    def progress(self, percent: float, text: str = "") -> None:
        """Say how far the job is; `jqctl job show` and `jqctl status` tell it. Costs no trip to Redis here.

        ``percent``: 0 to 100. The last word counts; it is stored a few times a second at most.
        Raises: InvalidOption.
        """
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise InvalidOption(f"progress {percent!r} is not a number from 0 to 100")
        if self._reporter is not None:
            self._reporter.progress(self, percent, str(text))

    def log(self, text: str) -> None:
        """Add a line to the job's own log, for `jqctl job show`. The last 100 lines stay, at most 16 KiB of them."""
        if self._reporter is not None:
            self._reporter.log(self, str(text))

    def wait_token(self) -> str:
        """Record and return the token with which somebody may answer for this attempt, once; see `wait_async`.

        To be called before the work is handed over: an answer that comes before the job waits is kept. One trip to
        Redis, in which an event loop stands still. Asked again, it is the same token.
        Raises: Conflict when this attempt does not hold the job any more; StoreError and its kinds.
        """
        return secrets.token_urlsafe(18) if self._reporter is None else self._reporter.wait_token(self)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a job returns that waits for a third party."""

    timeout_ms: int


def wait_async(timeout: Duration = "1h") -> Waiting:
    """Return what a job returns when a third party has its work: the job waits, and occupies no worker.

    Whoever gets the answer resolves it (`App.resolve`, `jqctl job resolve`, the inbox). ``timeout``: without an
    answer by then, this attempt has failed (deadline), and is retried like any other. Raises: InvalidOption.
    """
    return Waiting(positive_ms(timeout, "timeout"))


class Running(Protocol):
    """What is known of an attempt that runs; a worker's is `worker.attempts.attempt.Attempt`."""

    job: TakenJob
    worker: str
    reporter: JobReporter | None
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    meta: Mapping[str, Any]
    context: JobContext | None

    @property
    def max_attempts(self) -> int:
        """So many failures make the job dead."""
        ...

    @property
    def batch(self) -> Any:
        """The batch that the job is in, None when it is in none."""
        ...


_running: ContextVar[Running | None] = ContextVar("jqjobs_running", default=None)

#: Sets what `current_job` speaks of; called by the worker around each job.
set_running: Callable[[Running | None], object] = _running.set


def current_job() -> JobContext | None:
    """Return the job that is running here, None outside of one (a plain call of the function)."""
    running = _running.get()
    return None if running is None else context_of(running)


def context_of(running: Running) -> JobContext:
    """Return what a running job is shown of itself."""
    if running.context is None:
        job = running.job
        running.context = JobContext(
            job.id, queue_of(job.queue), job.name, job.attempt, job.failures, running.worker, running.meta,
            running.args, running.kwargs, running.max_attempts, job.snoozes, running.reporter, running.batch,
            job.queue,
        )  # fmt: skip
    return running.context


def tag_of_running_job() -> dict[str, str]:
    """Return which job runs here, as fields of a log line; none outside of one."""
    running = _running.get()
    return {} if running is None else {"job": f"{running.job.queue}/{running.job.id}", "name": running.job.name}
