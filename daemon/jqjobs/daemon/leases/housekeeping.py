"""What the lease thread does for queues while all workers are busy: promotion, reaping, retention, ingestion.

All of it is bounded inside the scripts; this only asks, for each queue, and says what came of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

from jqjobs.base import log
from jqjobs.base.clock import format_age
from jqjobs.daemon.leases.inboxes import Inboxes
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.flows import deliver_flows
from jqjobs.store.calls.upkeep import Housekept
from jqjobs.store.reads.presence import without_any
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_EVERY_S = 2.5
#: A job that left for another queue so long ago is brought there by a daemon (lua/rules/moving/overdue.lua).
_OVERDUE_MS = 2000
#: Of several daemons that serve a queue one is enough: nobody does it sooner than this part of the time after another.
_APART = 0.8
#: Where Redis has a `maxmemory`, the dead of all queues that a daemon serves may take this part of it, at so many bytes
#: each with small arguments; but so many a queue are kept at least.
_DEAD_SHARE, _DEAD_BYTES, _LEAST_DEAD = 0.1, 1005, 1000
#: A round goes on for so long at most, and a call; then it is the turn of what else the thread does.
_TURN_S = 0.05
#: The same queue's trimmed jobs are said together, no more often than this.
_TRIMMED_EVERY_S = 60.0


class Housekeeping:
    """The chores of one daemon, on the connection of the lease thread, and in it."""

    def __init__(self, store: Store, settings: DaemonSettings) -> None:
        self._store = store
        self._settings = settings
        #: What Redis may use, 0: as much as there is, or nobody has looked.
        self.maxmemory_bytes = 0
        #: How many queues there are that share it, where they are not kept house in together.
        self.served = 0
        self.every_s = min(_EVERY_S, settings.lease_s / 6)
        self._trimmed = Trimmed(settings)
        self._nodes = SilentNodes(store)
        #: By queue: what there was no time for when it was looked at last, see `deliver_flows`.
        self._undelivered: dict[str, dict[str, int]] = {}
        self.inboxes = Inboxes(store, self._nodes)

    def do(self, queues: Sequence[str]) -> bool:
        """Do one round for every queue; True when there is more to do at once. Raises: StoreError, at the end."""
        return 0 in self.keep_house(queues).values()

    def keep_house(self, queues: Sequence[str], *, is_due: bool = False) -> dict[str, int]:
        """Do one round for every queue; return when the next one is due, in ms, of each where that is known.

        ``is_due``: also where another daemon has just done one. Raises: StoreError, at the end.
        """
        until_s, due_ms, problems = time.monotonic() + _TURN_S, dict[str, int](), list[StoreError]()
        most_dead, pause_ms = self.most_dead(max(self.served, len(queues))), 0 if is_due else self._pause_ms
        while queues:
            answers = self._call(queues, most_dead, pause_ms)
            passing_on_s = time.monotonic() + _TURN_S
            for name, found in zip(queues, answers, strict=True):
                if problem := self._pass_on(name, found, passing_on_s):
                    problems.append(problem)
            kept = {name: found for name, found in zip(queues, answers, strict=True) if isinstance(found, Housekept)}
            due_ms |= {name: max(1, found.wait_ms) for name, found in kept.items() if found.wait_ms is not None}
            # A call is short: of what comes by the thousand many are needed.
            queues = [name for name, found in kept.items() if found.more or name in self._undelivered]
            if time.monotonic() >= until_s:
                break
        raise_first(problems)
        return due_ms | dict.fromkeys(queues, 0)

    @property
    def _pause_ms(self) -> int:
        return round(_APART * self.every_s * 1000)

    def _call(self, queues: Sequence[str], most_dead: int, pause_ms: int) -> list[Housekept | StoreError]:
        settings, dead_ms = self._settings, round(self._settings.dead_s * 1000)
        calls = [upkeep.housekeep(name, settings.lease_ms, most_dead, dead_ms, pause_ms) for name in queues]
        answers = self._store.run_many(calls)
        for name, found in zip(queues, answers, strict=True):
            if isinstance(found, StoreError):
                continue
            if found.reaped:
                log.event("lease.reaped", level=log.WARNING, queue=name, workers=found.reaped)
            if found.mended:
                log.event("queue.damaged", level=log.ERROR, queue=name, error=found.mended)
            self._trimmed.note(name, found, most_dead)
            if found.inbox:
                self.inboxes.note([name])
        return answers

    def _pass_on(self, name: str, found: Housekept | StoreError, until_s: float) -> StoreError | None:
        """Bring away what has left a queue; return what kept it from that. ``until_s``: as of `deliver_flows`."""
        if isinstance(found, StoreError):
            return found
        try:
            if found.undelivered or found.leaving or name in self._undelivered:
                self._deliver(name, _OVERDUE_MS if found.undelivered and not found.leaving else 0, until_s)
        except StoreError as problem:
            return problem
        return None

    def most_dead(self, queues: int) -> int:
        """Return how many dead jobs each of so many queues keeps: --max-dead, or less where memory is bounded."""
        if not self.maxmemory_bytes:
            return self._settings.max_dead
        fitting = int(self.maxmemory_bytes * _DEAD_SHARE / _DEAD_BYTES / max(1, queues))
        return min(self._settings.max_dead, max(_LEAST_DEAD, fitting))

    def deliver_from(self, queues: Iterable[str]) -> None:
        """Bring away what is for others in these queues, where this daemon has just ended jobs, if that works."""
        names, until_s = {*queues}, time.monotonic() + _TURN_S
        with suppress(StoreError):  # a later round does it
            for name in names.difference(without_any(self._store, [*names], ("notices", "transfers"))):
                self._deliver(name, 0, until_s)

    def _deliver(self, name: str, age_ms: int, until_s: float) -> None:
        """Bring jobs and notices to the queue that they left for: nobody else has. Some of them when the time is over:
        queues share it, since leases are renewed by this thread."""
        known = self._undelivered.pop(name, {})
        waiting = known | {name: min(age_ms, known.get(name, age_ms))}
        brought, left = run_steps(self._nodes.run, deliver_flows(waiting, until_s))
        if left:
            self._undelivered[name] = left
        if brought:
            log.event("jobs.delivered", queue=name, jobs=brought)

    def is_exhausted(self, queues: Sequence[str]) -> bool:
        """Burst mode: whether there is nothing left to take.

        What runs counts: it may fail and be tried again, and a drain would interrupt it after the grace. What is on its
        way to another queue counts too: a daemon of this one brings it there.
        """
        found = self._store.run_all([queue_status(name) for name in queues])
        return not any(self._is_awaited(queue) for queue in found)

    def _is_awaited(self, queue: QueueStatus) -> bool:
        if queue.paused_ms is not None:
            return queue.active + queue.moving > 0
        later = queue.scheduled + queue.waiting if self._settings.burst == "scheduled" else 0
        now = queue.active + queue.ready + queue.suspects + queue.inbox + queue.held + queue.moving
        return now + later > 0


class Trimmed:
    """Says how many dead jobs retention has forgotten: all of a wave in one line, and one line a minute at most."""

    def __init__(self, settings: DaemonSettings) -> None:
        self._settings = settings
        self._unsaid: Counter[str] = Counter()
        self._said_s: dict[str, float] = {}

    def note(self, queue: str, found: Housekept, most_dead: int) -> None:
        """Note what a round has trimmed in a queue, which keeps ``most_dead``, and say what is due."""
        if found.trimmed:
            self._unsaid[queue] += found.trimmed
        now_s = time.monotonic()
        is_due = now_s - self._said_s.get(queue, -_TRIMMED_EVERY_S) >= _TRIMMED_EVERY_S
        if self._unsaid[queue] and is_due and not found.more:
            trimmed, self._said_s[queue] = self._unsaid.pop(queue), now_s
            why = "--max-dead" if most_dead == self._settings.max_dead else "what fits a tenth of maxmemory"
            hint = f"kept are the last {most_dead} ({why}) of {format_age(self._settings.dead_s)} (--dead)"
            log.event("dead.trimmed", level=log.WARNING, queue=queue, trimmed=trimmed, hint=hint)
