"""A job in the store, as whoever enqueued it holds it: what can be seen of it and done to it.

Each method is one script call whose answer becomes a value or an error, for threads and for coroutines
(`both_ways`); waiting for the end is in `results`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from jqjobs.api import results
from jqjobs.api.both_ways import both_ways
from jqjobs.api.engine import Engine
from jqjobs.base.clock import Duration
from jqjobs.errors import Conflict, InvalidArguments, InvalidOption, NotFound, PayloadTooLarge
from jqjobs.jobs.payload import has_nonfinite
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES, OUTBOX, Enqueued, State
from jqjobs.store.calls import cancels, moves, upkeep, waits
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.calls.flows import acting
from jqjobs.store.calls.moves import Moved
from jqjobs.store.calls.upkeep import Deleted, Retried
from jqjobs.store.partitioning import locate
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.steps import Steps

_STATES = frozenset(state.value for state in State)


@dataclass(slots=True, unsafe_hash=True)  # not frozen: that costs half a microsecond a job
class JobHandle:
    """A job in the store. ``created`` is False when its id or coalescing key was there already.

    None: it is stored when the transaction is committed, see ``on_commit`` and ``outbox`` of `Job.options`.
    ``replaced``: the job that had the key had not started, and is this call now.
    """

    id: str
    queue: str
    created: bool | None
    _engine: Engine = field(repr=False, compare=False)
    replaced: bool = field(default=False, repr=False)
    #: The partition of the queue that it is in; "": nobody has looked, or there are none.
    _place: str = field(default="", repr=False, compare=False)

    @property
    def ref(self) -> str:
        """``queue/id``, as `jqctl` takes it."""
        return f"{self.queue}/{self.id}"

    @property
    def _where(self) -> str:
        """The queue, or the partition of it, whose keys have the job."""
        return self._place or self.queue

    def _state(self) -> Steps[State | Literal["succeeded", "outbox"] | None]:
        """Return the state the job is in now; "succeeded" when it was a success, and nothing else is known of it.

        That much is remembered of the last 1,000 successes of its queue. None: it succeeded longer ago, was deleted,
        was dead and trimmed (--max-dead and --dead of jqd), or never was there. With ``keep=`` a success is kept as
        such. "outbox": it is in the outbox of the database still, see ``outbox`` of `Job.options`.
        """
        found = yield from self._find()
        if isinstance(found, Trace):
            return "succeeded" if found.succeeded else None
        if found.state == OUTBOX:
            return "outbox"
        return State(found.state) if found.state in _STATES else None

    def _info(self) -> Steps[JobInfo]:
        """Return all that is known of the job.

        Raises: NotFound when it is over and nothing of it is kept, or never was; the message says which, or that either
        may be, see `state`.
        """
        found = yield from self._find()
        if isinstance(found, Trace):
            raise NotFound(found.in_words(self.ref), hint=results.NOT_KEPT)
        return found

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait until the job has ended and return what it returned, as JSON carried it.

        ``timeout``: None waits for ever. A success keeps its result only with ``keep=``.
        Raises: JobFailed when it is dead; NotFound when nothing of it is kept; ResultMissing when its result
        could not be stored; ResultTimeout; StoreError and its kinds.
        """
        return results.wait(self._engine, self._where, self.id, timeout)

    async def result_async(self, timeout: Duration | None = None) -> Any:
        """Do what `result` does, from a coroutine."""
        return await results.wait_async(self._engine, self._where, self.id, timeout)

    def _cancel(self) -> Steps[CancelAnswer]:
        """Cancel the job, for good: dead at once when it waits; when it runs, `JobCancelled` is raised in it.

        Returns "cancelled"; "cancelling": a worker holds it, and it is dead soon unless it succeeds first;
        "finished": it was dead or kept already; "moving": it is on its way to another queue, try again.
        Raises: NotFound; StoreError and its kinds.
        """
        [answer] = yield from acting(self._where, cancels.cancel(self._where, [self.id]))
        if answer is CancelAnswer.UNKNOWN:
            return (yield from (yield from self._elsewhere())._cancel())
        return CancelAnswer(answer)

    def _resolve(self, token: str | None = None, *, result: Any = None, error: str | None = None) -> Steps[str]:
        """Answer for the job, which waits for a third party or will, see `wait_async`: with a result or an error.

        ``token``: what `wait_token` gave; it may be left out while the job waits. Returns "resolved", or "early":
        the attempt still runs, and has its answer as soon as it waits. An error is a failure, retried like one.
        Raises: NotFound; Conflict: it neither waits nor has recorded this token, or the token was used;
        InvalidOption, InvalidArguments (also PayloadTooLarge); StoreError and its kinds.
        """
        if error is not None and result is not None:
            raise InvalidOption("give a result or an error, not both")
        call = waits.resolve(self._where, self.id, token or "", result=_encoded(result), error=error)
        answer = yield from acting(self._where, call)
        if answer == waits.UNKNOWN:
            return (yield from (yield from self._elsewhere())._resolve(token, result=result, error=error))
        waits.check(answer, self.ref)
        return answer

    def _retry(self) -> Steps[None]:
        """Send the dead job back to ready, with all its attempts before it again.

        Raises: NotFound; Conflict when it is not dead, or another job has its key; StoreError and its kinds.
        """
        [answer] = yield from acting(self._where, upkeep.retry(self._where, [self.id]))
        if answer is Retried.KEY_TAKEN:
            raise Conflict(f"the coalescing key of {self.ref} belongs to a newer job")
        if answer is Retried.READY:
            return
        if (found := (yield from self._found_elsewhere())) is None:
            raise Conflict(f"{self.ref} is {(yield from self._info()).state}, not dead")
        yield from found._retry()

    def _promote(self) -> Steps[None]:
        """Make the job due now that is scheduled for later; a retry that waits does not wait any longer.

        Raises: NotFound; Conflict when it is not scheduled; StoreError and its kinds.
        """
        [was_scheduled] = yield upkeep.promote(self._where, [self.id])
        if was_scheduled:
            return
        if (found := (yield from self._found_elsewhere())) is None:
            raise Conflict(f"{self.ref} is {(yield from self._info()).state}, not scheduled")
        yield from found._promote()

    def _delete(self) -> Steps[None]:
        """Delete the job, with all that is known of it: no state, no history, no result, and its key is free.

        Raises: NotFound; Conflict while a worker has it in hand: cancel it first; StoreError and its kinds.
        """
        [answer] = yield from acting(self._where, upkeep.delete(self._where, [self.id]))
        if answer is Deleted.UNKNOWN:
            yield from (yield from self._elsewhere())._delete()
        if answer is Deleted.IN_HAND:
            raise Conflict(f"a worker has {self.ref} in hand", hint="cancel it first, then delete it")

    def _move(self, queue: str) -> Steps[JobHandle]:
        """Move the job to another queue, with counters and history; return its handle there.

        A dead job is dead there, a scheduled one due as before; any other is ready there. This handle follows it for a
        day. Raises: NotFound; Conflict when a worker has it in hand, it waits for an answer or has succeeded, or its id
        or key is taken there: it stays then; InvalidName, InvalidOption; StoreError and its kinds: if it has left by
        then, a daemon of the old queue brings it there.
        """
        [answer] = yield from moves.move_jobs(self._where, [self.id], queue)
        if answer is Moved.UNKNOWN:
            return (yield from (yield from self._elsewhere())._move(queue))
        moves.check(answer, self.ref, queue)
        return JobHandle(self.id, queue, False, self._engine)

    state, state_async = both_ways(_state)
    info, info_async = both_ways(_info)
    cancel, cancel_async = both_ways(_cancel)
    resolve, resolve_async = both_ways(_resolve)
    retry, retry_async = both_ways(_retry)
    promote, promote_async = both_ways(_promote)
    delete, delete_async = both_ways(_delete)
    move, move_async = both_ways(_move)

    def _find(self) -> Steps[JobInfo | Trace]:
        """Look the job up: in the queue that it was moved to if it was, and in that one's partitions."""
        found: JobInfo | Trace = yield job_or_trace(self._where, self.id)
        if isinstance(found, Trace) and (there := (yield from self._found_elsewhere(found))):
            return (yield from there._find())
        return found

    def _found_elsewhere(self, found: JobInfo | Trace | None = None) -> Steps[JobHandle | None]:
        """Return the handle of the job where it is, None when nothing else is known than what was ``found`` here."""
        if found is None:
            found = yield job_or_trace(self._where, self.id)
        if not isinstance(found, Trace):
            return None
        if found.moved_to:
            return JobHandle(self.id, found.moved_to, False, self._engine)
        place = None if self._place else (yield from locate(self.queue, self.id))
        return JobHandle(self.id, self.queue, False, self._engine, _place=place) if place else None

    def _elsewhere(self) -> Steps[JobHandle]:
        """Return what `_found_elsewhere` does. Raises: NotFound."""
        found = yield from self._found_elsewhere()
        if found is None:
            raise NotFound(f"there is no job {self.ref}", hint=results.NOT_KEPT)
        return found


def handle_of(made: Enqueued, queue: str, engine: Engine) -> JobHandle:
    """Return the handle of a job that an engine has stored."""
    return JobHandle(made.id, queue, made.created, engine, made.replaced, made.place)


def _encoded(result: Any) -> bytes:
    try:
        encoded = msgspec.json.encode(result)
        is_lossy = b"null" in encoded and has_nonfinite(msgspec.to_builtins(result))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"the result is not JSON: {error}") from None
    if is_lossy:  # it would be read as null
        raise InvalidArguments("the result is not JSON: that has no NaN and no infinity")
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"the result takes {len(encoded)} bytes as JSON, more than 1 MiB")
    return encoded
