"""Ticks schedules: enqueues the jobs of those whose moment has come. In the lease thread and connection.

Of the daemons that serve a queue one does it, the first that looks at its agenda, as long as it goes on looking; that
each tick is enqueued once is decided in lua/tick.lua, whoever ticks. The only clock is that of Redis, told with each
look at an agenda.

    look at the agendas  →  which ticks are due by the time of Redis  →  tick them  →  when is the next one due
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.leases.added_ticker import AddedTicker, log_ticked
from jqjobs.errors import JqError, StoreError, StoreUnavailable
from jqjobs.jobs.timetable import Due, Policy, Timetable, due, read_entry
from jqjobs.store.call import Call
from jqjobs.store.calls.schedules import CLASH_HINT, DOUBLE_HINT, Agenda, Planned, TickAnswer, Ticked, agenda, tick
from jqjobs.store.store import Store

#: Agendas are looked at so often at least: a new schedule comes up to this late into force.
LOOK_EVERY_S = 2.5
#: So long after it has looked last a daemon is no longer waited for: another one ticks.
CLAIM_MS = 5000
#: So often a daemon looks at agendas that another one ticks.
_WATCH_EVERY_MS = 30_000
#: Later than any moment.
_NEVER_MS = 2**53


@dataclass(slots=True)
class _Schedule:
    """One schedule as this daemon knows it. ``wake_ms``: when it is to be looked at next, by the clock of Redis."""

    queue: str
    name: str
    times: Timetable
    policy: Policy
    since_ms: int | None
    wake_ms: int = 0

    def count_from(self, since_ms: int | None) -> None:
        """Remember how far it got."""
        self.since_ms = since_ms
        next_ms = 0 if since_ms is None else self.times.after(since_ms)
        self.wake_ms = _NEVER_MS if next_ms is None else next_ms


_Ticking = tuple[_Schedule, Due]


class Ticker:
    """The schedules of the queues of one daemon."""

    def __init__(self, store: Store, daemon_id: str) -> None:
        self._store = store
        self._daemon_id = daemon_id
        self._numbers: dict[str, int] = {}
        self._schedules: dict[str, list[_Schedule]] = {}
        #: Queues that another daemon ticks, so that it is not known here how far their schedules are.
        self._of_others: set[str] = set()
        self._complaints: set[str] = set()
        self._watch_ms = monotonic_ms() + _WATCH_EVERY_MS
        self._clashes: dict[str, tuple[tuple[str, ...], bool]] = {}
        self._added = AddedTicker(store, self._complain, self._forget_complaints)

    def tick(self, queues: Sequence[str]) -> float:
        """Tick what is due; return in how many seconds to do it again, at most `LOOK_EVERY_S`.

        Raises: StoreUnavailable. What is wrong with one queue or schedule is logged, once, and holds up no other.
        """
        wait_s = LOOK_EVERY_S
        self._forget_all_but(queues)
        answers = self._store.run_many([self._look(name, CLAIM_MS) for name in queues])
        for queue, found in zip(queues, answers, strict=True):
            if isinstance(found, StoreError):
                self._numbers.pop(queue, None)
                self._complain(queue, found)
                continue
            self._forget_complaints(queue)
            self._remember(queue, found)
            if found.other_ms:
                self._of_others.add(queue)
                wait_s = min(wait_s, found.other_ms / 1000)
                continue
            if queue in self._of_others:
                self._take_over(queue)
            self._tick_queue(queue, found.now_ms)
            added_ms = self._added.tick(queue, found.added_ms, found.now_ms)
            due_ms = min((each.wake_ms for each in self._schedules[queue]), default=_NEVER_MS)
            due_ms = due_ms if added_ms is None else min(due_ms, added_ms)
            wait_s = min(wait_s, max(0.0, (due_ms - found.now_ms) / 1000))
        return wait_s

    def watch(self, queues: Sequence[str]) -> None:
        """Take nothing for known: another daemon ticks. What clashes is said by each, as people may read one log only.

        Raises: StoreUnavailable.
        """
        self._numbers.clear()
        now_ms = monotonic_ms()
        if now_ms < self._watch_ms:
            return
        self._watch_ms = now_ms + _WATCH_EVERY_MS
        for queue, found in zip(queues, self._store.run_many([agenda(queue) for queue in queues]), strict=True):
            for planned in () if isinstance(found, StoreError) else found.schedules or ():
                self._note_clash(f"{queue}/{planned.name}", planned)

    def _forget_all_but(self, queues: Sequence[str]) -> None:
        """Forget what is no longer looked at: of patterns, queues that have nothing any more."""
        for queue in self._schedules.keys() - set(queues):
            del self._schedules[queue]
            self._numbers.pop(queue, None)
            self._of_others.discard(queue)

    def resign(self) -> None:
        """Let others tick from now on. Raises: StoreError."""
        self._store.run_all([self._look(name, 0) for name in self._numbers])

    def _take_over(self, queue: str) -> None:
        self._numbers.pop(queue, None)
        try:
            self._remember(queue, self._store.run(self._look(queue, CLAIM_MS)))
        except StoreError as error:
            return self._complain(queue, error)
        return self._of_others.discard(queue)

    def _look(self, queue: str, claim_ms: int) -> Call[Agenda]:
        return agenda(queue, self._numbers.get(queue), self._daemon_id, claim_ms)

    def _remember(self, queue: str, found: Agenda) -> None:
        if found.schedules is None:
            return
        for planned in found.schedules:
            self._note_clash(f"{queue}/{planned.name}", planned)
        made = (self._made(queue, planned) for planned in found.schedules if planned.offered)
        self._schedules[queue] = [schedule for schedule in made if schedule is not None]
        self._numbers[queue] = found.number

    def _made(self, queue: str, planned: Planned) -> _Schedule | None:
        if planned.paused_ms is not None:
            return None
        try:
            times, policy = read_entry(planned.entry or {})
        except JqError as error:
            self._complain(f"{queue}/{planned.name}", error)
            return None
        schedule = _Schedule(queue, planned.name, times, policy, planned.since_ms)
        schedule.count_from(planned.since_ms)
        return schedule

    def _note_clash(self, name: str, planned: Planned) -> None:
        """Say that several apps publish one schedule, or that one of its name was added at run time.

        Other code of one app, as in a deploy, is no other app.
        """
        clash = (planned.apps, planned.has_double)
        if not planned.offered or (len(planned.apps) < 2 and not planned.has_double):
            self._clashes.pop(name, None)
        elif self._clashes.get(name) != clash:
            self._clashes[name] = clash
            hint = DOUBLE_HINT if planned.has_double else CLASH_HINT
            log.event("schedule.clash", level=log.WARNING, schedule=name, apps=", ".join(planned.apps), hint=hint)

    def _tick_queue(self, queue: str, now_ms: int) -> None:
        ticking = [item for schedule in self._schedules[queue] for item in _due_now(schedule, now_ms)]
        answers = self._store.run_many([_call(schedule, what) for schedule, what in ticking])
        for (schedule, what), answer in zip(ticking, answers, strict=True):
            if isinstance(answer, StoreError):
                schedule.wake_ms = now_ms + round(LOOK_EVERY_S * 1000)
                self._complain(f"{queue}/{schedule.name}", answer)
            else:
                self._note_answer(schedule, what, answer, now_ms)

    def _note_answer(self, schedule: _Schedule, what: Due, ticked: Ticked, now_ms: int) -> None:
        if ticked.answer in (TickAnswer.DONE, TickAnswer.TAKEN):
            schedule.count_from(ticked.since_ms)
        elif ticked.answer is not TickAnswer.EARLY:
            schedule.wake_ms = _NEVER_MS  # until the agenda changes
        if ticked.answer is TickAnswer.DONE:
            name = f"{schedule.queue}/{schedule.name}"
            self._forget_complaints(name)
            log_ticked(name, what, ticked, now_ms)

    def _forget_complaints(self, name: str) -> None:
        self._complaints = {each for each in self._complaints if not each.startswith(f"{name} ")}

    def _complain(self, name: str, error: JqError) -> None:
        if isinstance(error, StoreUnavailable):
            raise error
        said = f"{name} {error}"
        if said not in self._complaints:
            self._complaints.add(said)
            log.event("schedule.refused", level=log.ERROR, schedule=name, error=error.in_one_line())


def _due_now(schedule: _Schedule, now_ms: int) -> list[_Ticking]:
    is_ahead = (schedule.since_ms or 0) > now_ms  # the clock of Redis was set back
    if schedule.wake_ms > now_ms and not is_ahead:
        return []
    what = due(schedule.times, schedule.policy, schedule.since_ms, now_ms)
    return [] if what is None else [(schedule, what)]


def _call(schedule: _Schedule, what: Due) -> Call[Ticked]:
    return tick(schedule.queue, schedule.name, schedule.since_ms, what.since_ms, what.ticks)
