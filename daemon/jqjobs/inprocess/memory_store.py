"""Jobs in memory: what each is, in which order they come and end, by the rules of the store's scripts as far as they
apply here.

No leases, crashes or suspects: nobody else is there. Time is a clock that the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jqjobs.inprocess.pauses import Pauses
from jqjobs.inprocess.turns import Turns
from jqjobs.jobs.groups import FIELD
from jqjobs.jobs.limits import UNLIMITED
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS, Coalesce, Enqueued, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.trips import Settled

#: States in which a job has not started.
_QUEUED = ("ready", "scheduled", "held", "parked")
_UNFINISHED = (*_QUEUED, "active", "waiting")
_OVER = ("dead", "kept")
#: Jobs that are over, and of which so many records stay; batches that nothing goes on in.
MOST_OVER = 1000


@dataclass
class Record:
    """One job. ``state`` as in Redis; "gone" after a success that is not kept. Times in ms since the epoch."""

    queue: str
    id: str
    name: str
    payload: bytes
    priority: int
    number: int
    enqueued_ms: int
    due_ms: int
    key: str = ""
    coalesce: str = Coalesce.UNFINISHED
    fields: dict[str, Any] = field(default_factory=dict)
    state: str = "ready"
    attempt: int = 0
    executions: int = 0
    failures: int = 0
    interrupts: int = 0
    throttles: int = 0
    snoozes: int = 0
    #: Whether it asked to run later, and does not wait for its next try.
    is_snoozing: bool = False
    forgiven: int = 0
    forgiven_throttles: int = 0
    hung: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    keep_ms: int | None = None
    token: str = ""
    answer: tuple[str, bytes] | None = None
    wait_backoff_ms: int = 0
    #: The limit that holds it, how many that lets through and had let through by then; how often it may pass it by.
    held_by: str = ""
    held_most: int = 1
    held_since: int = 0
    patience: int | None = None
    reason: str = ""
    error: str = ""
    taken_ms: int | None = None
    finished_ms: int | None = None
    result: bytes | None = None
    result_missing: str = ""
    progress: dict[str, Any] | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    history: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, queue: str, new: NewJob, number: int, now_ms: int) -> Record:
        """Return what becomes of a new job when it is stored."""
        fields = dict(zip(new.fields[::2], new.fields[1::2], strict=True))
        due_ms = now_ms + int(new.due) if new.due.startswith("+") else int(new.due or now_ms)
        if "expires" in fields:
            fields["expires"] = now_ms + int(fields["expires"])
        return cls(
            queue, new.id, new.name, new.payload, new.priority, number, now_ms, due_ms, new.key, new.coalesce,
            {str(name): value for name, value in fields.items()}, "scheduled" if due_ms > now_ms else "ready",
        )  # fmt: skip

    def in_place_of(self, old: Record) -> Record:
        """Return it with what stays of the call that it replaces: id and counters."""
        kept = [
            "id", "attempt", "executions", "failures", "interrupts", "throttles", "forgiven", "forgiven_throttles",
            "hung", "snoozes", "history", "enqueued_ms",
        ]  # fmt: skip
        return replace(self, **{name: getattr(old, name) for name in kept})

    def may_have_place_of(self, old: Record) -> bool:
        """Whether it waits where the call waited that it replaces."""
        has_place = old.state != "scheduled" or old.is_snoozing
        return has_place and (old.priority, old.group) == (self.priority, self.group)

    @property
    def ref(self) -> str:
        """``queue/id``."""
        return f"{self.queue}/{self.id}"

    @property
    def args(self) -> list[Any]:
        """The positional arguments, as JSON carries them."""
        return list(json.loads(self.payload).get("args", []))

    @property
    def kwargs(self) -> dict[str, Any]:
        """The named arguments, as JSON carries them."""
        return dict(json.loads(self.payload).get("kwargs", {}))

    @property
    def group(self) -> str:
        """With which it takes turns; "" for none."""
        return str(self.fields.get(FIELD, ""))

    @property
    def delay_s(self) -> float:
        """For how long it was put off when it was enqueued, in seconds."""
        return max(0, self.due_ms - self.enqueued_ms) / 1000

    @property
    def rank(self) -> tuple[int, int]:
        """Its place in the order, lowest first."""
        return (-self.priority, self.number)

    def blocks(self) -> bool:
        """Whether its coalescing key stands for it now."""
        if self.coalesce == Coalesce.QUEUED:
            return self.state in _QUEUED
        return self.state in _UNFINISHED or (self.coalesce == Coalesce.STORED and self.state == "dead")


class Records:
    """All jobs of one process, by queue and id, in the order they came."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self._all: dict[tuple[str, str], Record] = {}
        self._number = 0
        self._promoted_ms = 0
        #: Schedules added at run time, by queue and name: their entries as JSON.
        self.added: dict[tuple[str, str], str] = {}
        #: Whether code has a schedule, by queue and name.
        self.is_in_code: Callable[[str, str], bool] = lambda queue, name: False
        self.pauses = Pauses(clock)
        self._turns = Turns()
        #: Told of each start.
        self.on_start: Callable[[Record], None] = lambda record: None
        #: Told of each job that comes, that has ended, and that is retried ("again") or deleted ("gone").
        self.on_add: Callable[[Record], None] = lambda record: None
        self.on_end: Callable[[Record], None] = lambda record: None
        self.on_turn: Callable[[Record, str], None] = lambda record, what: None

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._all.values()))

    def get(self, queue: str, job_id: str) -> Record | None:
        """Return a job of which there is a record in Redis too."""
        if self.clock() != self._promoted_ms:  # what was due before is ready, and stands before what comes now
            self._promote()
        record = self._all.get((queue, job_id))
        return None if record is None or record.state == "gone" else record

    def has_succeeded(self, queue: str, job_id: str) -> bool:
        """Return whether there was such a job, and it succeeded without being kept."""
        record = self._all.get((queue, job_id))
        return record is not None and record.state == "gone" and record.executions > 0  # else: malformed

    def add(self, queue: str, new: NewJob) -> Enqueued:
        """Store a new job, unless its id or key is there already."""
        if self.get(queue, new.id) is not None:
            return Enqueued(new.id, False)
        record, holder = Record.of(queue, new, 0, self.clock()), self.holder(queue, new.key)
        if holder is not None and not (new.replace and holder.state in _QUEUED):
            return Enqueued(holder.id, False)
        if holder is not None and record.may_have_place_of(holder):
            record.number = holder.number
        elif record.state == "ready":
            self.make_ready(record)
        if holder is not None:
            self._all[queue, holder.id] = record.in_place_of(holder)
            return Enqueued(holder.id, False, True)
        self._all[queue, new.id] = record
        self.on_add(record)
        self._forget_old()
        return Enqueued(new.id, True)

    def holder(self, queue: str, key: str) -> Record | None:
        """Return the job that a coalescing key stands for."""
        same = (record for record in self if key and record.queue == queue and record.key == key)
        return next((record for record in same if record.blocks()), None)

    def _promote(self) -> None:
        self._promoted_ms = self.clock()
        due = [record for record in self if record.state == "scheduled" and record.due_ms <= self._promoted_ms]
        for record in sorted(due, key=lambda each: each.due_ms):
            self.make_ready(record)

    def make_ready(self, record: Record) -> None:
        """Let a job be the last of its priority, or of its group; one that asked to run later has its old place."""
        if not record.is_snoozing:
            self._number += 1
            band = record.queue, record.priority
            ready = (each for each in self if each.state == "ready" and (each.queue, each.priority) == band)
            numbers = (each.number for each in ready if each is not record)
            record.number = self._turns.next(band, record.group, self._number, lambda: list(numbers))
        record.state = "ready"

    def _forget_old(self) -> None:
        over = [place for place, record in self._all.items() if record.state in (*_OVER, "gone")]
        for place in over[: max(0, len(over) - MOST_OVER)]:
            del self._all[place]

    def next_due_ms(self) -> int | None:
        """Return when the next job is due, a deadline passes or a pause ends that holds jobs, None for never."""
        moments = [record.due_ms for record in self if record.state in ("scheduled", "waiting")]
        end_ms = self.pauses.next_end_ms(record.queue for record in self if record.state in ("ready", "held"))
        return min(moments if end_ms is None else [*moments, end_ms], default=None)

    def take(self) -> Record | None:
        """Return the job whose turn it is, whatever limits say, active now."""
        first = next(self.in_order("ready", "held"), None)
        return None if first is None else self.start(first)

    def in_order(self, *states: str) -> Iterator[Record]:
        """Yield the jobs of these states in the order in which they start; what is due becomes ready before.

        What has expired when its turn comes is dead. Of paused queues nothing has its turn.
        """
        self._promote()
        now_ms = self.clock()
        found = [record for record in self if record.state in states and record.queue not in self.pauses]
        for record in sorted(found, key=lambda each: each.rank):
            if int(record.fields.get("expires", now_ms + 1)) > now_ms:
                yield record
            else:
                record.error = "it was not started before it expired"
                self.end(record, "dead", "expired")

    def start(self, record: Record) -> Record:
        """Let a job be active, whether it is due or not."""
        record.state = "active"
        record.attempt += 1
        record.is_snoozing = False
        record.taken_ms = self.clock()
        self._turns.took((record.queue, record.priority), record.number)
        self.on_start(record)
        return record

    def end(self, record: Record, state: str, reason: str = "") -> Settled:
        """Let a job be over."""
        record.state, record.reason, record.finished_ms = state, reason, self.clock()
        self.on_end(record)
        return state, reason

    def remove(self, record: Record) -> None:
        """Forget a job; of a success so much is known still."""
        self.on_turn(record, "gone")
        if record.state == "kept":
            record.state = "gone"
        else:
            del self._all[record.queue, record.id]


def taken_job(record: Record) -> TakenJob:
    """Return a job as a worker holds it."""
    fields = record.fields
    timeout, keep, most = fields.get("timeout"), fields.get("keep"), fields.get("max_attempts")
    return TakenJob(
        record.queue, record.id, record.attempt, record.name, record.payload,
        failures=record.failures - record.forgiven,
        timeout_ms=None if timeout is None else int(timeout), keep_ms=None if keep is None else int(keep),
        key=record.key, limits=str(fields.get("limits", UNLIMITED)), snoozes=record.snoozes,
        max_attempts=None if most is None else int(most),
        flow=str(fields.get("flow", "")), previous=fields.get("previous"), batch=str(fields.get("batch", "")),
    )  # fmt: skip
