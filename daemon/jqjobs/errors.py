"""Every error jqjobs raises, in one place.

The class docstring is the message; facts are attributes; ``hint`` says what to do.
Callers catch the narrowest class. Job code may raise `Retry` and `Discard`, and `jqjobs.jobs.snooze.Snooze`.
"""

from __future__ import annotations

from typing import Any


class JqError(Exception):
    """Something in jqjobs went wrong."""

    #: Stable word for machines: the ``code`` of ``--json`` errors.
    code = "error"

    def __init__(self, message: str = "", hint: str = "", **facts: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.message = str(self)
        self.hint = hint
        for name, value in facts.items():
            setattr(self, name, value)

    def in_one_line(self) -> str:
        """Return what happened and, where it is known, what to do."""
        return self.message + (f" ({self.hint})" if self.hint else "")


class ConfigError(JqError):
    """A setting is missing or wrong."""

    code = "config"


class InvalidName(JqError):
    """Names match [A-Za-z0-9][A-Za-z0-9_.-]{0,127}."""

    code = "invalid_name"


class InvalidOption(JqError):
    """A job option is out of its range."""

    code = "invalid_option"


class InvalidArguments(JqError):
    """The arguments do not fit the signature of the job."""

    code = "invalid_arguments"


class PayloadTooLarge(InvalidArguments):
    """The arguments take more than 1 MiB as JSON."""

    code = "payload_too_large"


class MalformedPayload(JqError):
    """The stored payload is not the JSON a job needs."""

    code = "malformed"


class DuplicateJobName(JqError):
    """Two functions are registered under one job name."""

    code = "duplicate_name"


class UnknownJobName(JqError):
    """The app registers no job of that name."""

    code = "unknown_name"


class NotFound(JqError):
    """There is no such job."""

    code = "not_found"


class Conflict(JqError):
    """The state of the job does not allow that."""

    code = "conflict"


class NotAllowed(JqError):
    """Somebody lacks the right, or the request comes from another site."""

    code = "not_allowed"


class Unauthenticated(JqError):
    """Nobody said who is asking, or not truly. ``challenge``: how to say it, for WWW-Authenticate."""

    code = "unauthenticated"
    challenge: str


class TooManyGuesses(JqError):
    """Whoever asks was wrong about who they are too often."""

    code = "too_many_guesses"


class Misdirected(JqError):
    """The request names another host."""

    code = "misdirected"


class JobFailed(JqError):
    """The job is dead. ``reason``: why (failed, hung, crashed, …); ``error``: its last error, or None."""

    code = "job_failed"
    reason: str
    error: str | None


class ResultMissing(JqError):
    """The job succeeded, and its result could not be stored. ``reason``: why."""

    code = "result_missing"
    reason: str


class ResultNotRun(JqError):
    """What the job returned has not run: a generator, a coroutine, a future."""

    code = "result_not_run"


class ResultTimeout(JqError, TimeoutError):
    """The job has not ended in the time that was given to wait for it."""

    code = "result_timeout"


class NeedsRedis(JqError):
    """Only Redis can do that."""

    code = "needs_redis"


class DrainedTooLong(JqError):
    """Jobs in memory enqueue each other without end."""


class OutboxMissing(JqError):
    """The database has no table jqjobs_outbox."""

    code = "no_outbox"


class StoreError(JqError):
    """Redis answered with an error.

    Raised by `enqueue` and its kin it tells of their jobs, by id: ``ids``, in the order of the calls, of which
    ``stored`` are stored, ``unknown`` may be, and ``unsent`` are not. ``unanswered``: a command went out and no reply
    came. ``reason``: the kind of a refusal, such as ``WRONGPASS`` or ``certificate``.
    """

    code = "store"
    ids: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    unanswered = False
    reason = ""

    @property
    def maybe_stored(self) -> bool:
        """Whether nobody knows if a job is stored: look before it is enqueued again, or give it the same id."""
        return bool(self.unknown)


class StoreUnavailable(StoreError):
    """Redis cannot be reached, or did not answer."""

    code = "unreachable"


class StoreBusy(StoreUnavailable):
    """Redis is up but does not serve right now (loading, read-only, busy, out of clients)."""

    code = "busy"


class StoreFull(StoreError):
    """Redis is at its maxmemory and refuses new jobs."""

    code = "full"


class Repartitioned(StoreError):
    """The queue has other partitions than was known here; those who enqueue look anew. ``made``: of what is stored."""

    code = "repartitioned"
    made: tuple[Any, ...] = ()


class NotReplicated(StoreError):
    """Too few replicas have new jobs, which are stored: a failover may lose them (JQ_WAIT).

    ``handles``: of all jobs that are stored; ``wanted``, ``reached``: how many replicas were to have the last of them,
    and how many do.
    """

    code = "not_replicated"
    handles: tuple[Any, ...] = ()
    made: tuple[Any, ...] = ()
    wanted = 0
    reached = 0


class StoreRefused(StoreError):
    """Redis refuses the credentials, they lack a permission, or it is of a kind that cannot hold queues."""

    code = "refused"


class ScriptMissing(StoreError):
    """Redis does not know a script (NOSCRIPT); it is sent again."""

    code = "noscript"


class Retry(Exception):
    """Raised by a job: count a failure and run again after ``delay``.

    ``delay``: seconds, a duration such as ``"10m"``, a timedelta, or None for the job's own back-off.
    """

    def __init__(self, reason: str = "retry requested", *, delay: Any = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Discard(Exception):
    """Raised by a job: it can never succeed; it is dead at once, with this reason."""

    def __init__(self, reason: str = "discarded") -> None:
        super().__init__(reason)


class JobTimeout(BaseException):
    """Raised inside a job whose time limit has passed.

    Derives from BaseException, like its siblings, so that ``except Exception`` in job code does not swallow it.
    """


class JobCancelled(BaseException):
    """Raised inside a job that somebody has cancelled; unless it succeeds all the same, it is dead then."""


class JobInterrupted(BaseException):
    """Raised inside a job whose worker must stop now; the job goes back free of charge."""
