"""A queue, as an application sees it: what is in it, and what is done to many of its jobs.

Each thing is written once, as the steps that lead to it; `both_ways` makes of them a method for threads and one for
coroutines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, TypedDict, Unpack

from jqjobs.api.both_ways import both_ways
from jqjobs.api.engine import Engine
from jqjobs.base.clock import Duration
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import State, check_name
from jqjobs.jobs.selector import Selector, selector
from jqjobs.store.bulk import STATES, Act, BulkAnswer, act_on_all
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.reads.search import Cursor, JobPage, JobRow
from jqjobs.store.steps import Steps, run_steps, run_steps_async
from jqjobs.store.whole_queues import at_each_place, count_queue, find_in_places

#: Jobs of one page of an iterator.
_PAGE = 100
#: What waits for its turn, or to be found a worker: what `Queue.purge` deletes.
_WAITING = tuple(state for state in STATES[Act.DELETE] if state not in (State.KEPT, State.DEAD))


class Said(TypedDict, total=False):
    """What may be said of jobs. ``error``: a part of class or message, or the reason why the job is dead.

    ``text``: a part of the arguments, in JSON. ``since``: come into its state then or later: a datetime (naive means
    local time), ms since the epoch, or for how long; ``older_than``: so long ago, or longer. Of jobs that are neither
    dead nor parked nor kept it counts since when they are in the queue.
    """

    name: str
    error: str
    text: str
    key: str
    tag: str
    since: datetime | Duration
    older_than: Duration


class Queue:
    """One queue. Nothing is asked before something of it is used; all raises StoreError and its kinds.

    Those that act on many jobs touch only what was there when they began, whatever comes meanwhile. They answer how
    many ``matched``, and on how many it was ``done``; with ``dry_run`` nothing is.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        """Raises: InvalidName."""
        self.name = check_name(name, "queue")
        self._engine = engine

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    def jobs(self, *, state: str | None = None, **said: Unpack[Said]) -> Iterator[JobRow]:
        """Yield the jobs that match, page by page: ready ones in the order they will run, others oldest first.

        What comes and goes meanwhile may be there or not; what stays is there once. Raises: InvalidName, InvalidOption.
        """
        wanted, cursor = run_steps(self._engine.run, self._selector(state, said)), None
        while page := run_steps(self._engine.run, self._page(wanted, cursor)):
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    async def jobs_async(self, *, state: str | None = None, **said: Unpack[Said]) -> AsyncIterator[JobRow]:
        """Do what `jobs` does, from a coroutine."""
        wanted, cursor = await run_steps_async(self._engine.run_async, self._selector(state, said)), None
        while page := await run_steps_async(self._engine.run_async, self._page(wanted, cursor)):
            for row in page.rows:
                yield row
            if (cursor := page.cursor) is None:
                return

    def _page(self, wanted: Selector, cursor: Cursor | None) -> Steps[JobPage]:
        return find_in_places(self.name, wanted, _PAGE, cursor)

    def _counts(self) -> Steps[QueueStatus]:
        """Return the queue in numbers."""
        return (yield from count_queue(self.name))

    def _retry(self, *, dry_run: bool = False, **said: Unpack[Said]) -> Steps[BulkAnswer]:
        """Send dead jobs that match back to ready; not what somebody cancelled, unless ``error`` is "cancelled".

        Raises: InvalidName, InvalidOption.
        """
        wanted = yield from self._selector("dead", said)
        return (yield from act_on_all(self.name, wanted, Act.RETRY, dry_run=dry_run))

    def _cancel(self, *, state: str | None = None, dry_run: bool = False, **said: Unpack[Said]) -> Steps[BulkAnswer]:
        """Cancel unfinished jobs that match, for good; see `JobHandle.cancel`. Raises: InvalidName, InvalidOption."""
        wanted = yield from self._selector(state, said)
        return (yield from act_on_all(self.name, wanted, Act.CANCEL, dry_run=dry_run))

    def _delete(self, *, state: str, dry_run: bool = False, **said: Unpack[Said]) -> Steps[BulkAnswer]:
        """Delete jobs of one state that match, with all that is known of them. Raises: InvalidName, InvalidOption."""
        wanted = yield from self._selector(state, said)
        return (yield from act_on_all(self.name, wanted, Act.DELETE, dry_run=dry_run))

    def _move(
        self, to: str, *, state: str | None = None, dry_run: bool = False, **said: Unpack[Said]
    ) -> Steps[BulkAnswer]:
        """Move jobs that match to another queue, see `JobHandle.move`. Raises: InvalidName, InvalidOption."""
        wanted = yield from self._selector(state, said)
        return (yield from act_on_all(self.name, wanted, Act.MOVE, to=check_name(to, "queue"), dry_run=dry_run))

    def _purge(self) -> Steps[int]:
        """Delete all that waits here, unread envelopes of the inbox too, and return how many there were.

        What runs or has ended stays.
        """
        emptied: upkeep.Emptied = yield upkeep.empty_inbox(self.name)
        deleted = emptied.envelopes
        for state in _WAITING:
            steps = act_on_all(self.name, Selector(state), Act.DELETE, until_ms=emptied.now_ms)
            deleted += (yield from steps).done
        return deleted

    def _pause(self, *, reason: str = "", until: datetime | Duration | None = None, by: str = "") -> Steps[bool]:
        """Let no job of it be taken until `resume`, or until ``until``; return whether that changed something.

        ``until``: a duration, a datetime, or either in words, as with ``due`` of `Job.options`. ``reason``, ``by``: why
        and who, told wherever the pause is. Raises: InvalidOption.
        """
        moment = self._moment(until)
        return any((yield from at_each_place(self.name, lambda place: upkeep.pause(place, moment, by, reason))))

    def _resume(self) -> Steps[bool]:
        """Resume it when it is paused; return whether it was."""
        return any((yield from at_each_place(self.name, upkeep.resume)))

    counts, counts_async = both_ways(_counts)
    retry, retry_async = both_ways(_retry)
    cancel, cancel_async = both_ways(_cancel)
    delete, delete_async = both_ways(_delete)
    move, move_async = both_ways(_move)
    purge, purge_async = both_ways(_purge)
    pause, pause_async = both_ways(_pause)
    resume, resume_async = both_ways(_resume)

    def _selector(self, state: str | None, said: Any) -> Steps[Selector]:
        now_ms = None
        if not isinstance(said.get("since"), datetime | None):  # a span, which ends now: by whose clock jobs have come
            status: QueueStatus = yield queue_status(self.name)
            now_ms = status.now_ms
        return selector(state=state, now_ms=now_ms, **said)

    def _moment(self, until: datetime | Duration | None) -> str:
        if until is None:
            return ""
        from jqjobs.jobs.moments import due_text  # brings words and zones, which few need

        moment = due_text(until, "until", self._engine.now_ms())
        if not moment:
            raise InvalidOption(f"until {until!r} is now", hint="give a moment to come, such as 'in 2h'")
        return moment
