"""One queue system under test: a store with a settable clock, and direct looks at the keys behind it.

The looks read Redis itself, never through a script, so that a test does not believe the code it tests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from msgspec import structs

from cluster_server import ask
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs import not_run
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Enqueued, Kind, NewJob, Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.address import parse_url
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, leases, trips, upkeep
from jqjobs.store.calls.trips import Trip
from jqjobs.store.nodes import Nodes
from jqjobs.store.store import Store

LEASE_MS = 30_000
START_MS = 1_700_000_000_000
STATES = ("ready", "scheduled", "held", "waiting", "parked", "suspects", "transfers", "dead", "kept")


@dataclass
class Clock:
    """The time the scripts are told, in ms."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms


@dataclass
class QueueSystem:
    """A store on ``url``. Without ``queue=``, everything is about the queue "q".

    ``rights``: scripts are run as a user who has these, the looks are not.
    """

    url: str
    kind: str = ""
    rights: Sequence[str] = ()
    clock: Clock = field(default_factory=Clock)
    trips: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        address = parse_url(self.url)
        # Of the fake server five thousand jobs at once take seconds, and more where others have much to do.
        self.store = self._looks = Store(address, now_ms=self.clock, timeout_s=60.0 if self.kind == "fake" else 5.0)
        if self.rights:
            name = self.redis("ACL", "SETUSER", *self.rights) and self.rights[0]
            self.store = Store(replace(address, username=name, password="secret"), now_ms=self.clock)

    def close(self) -> None:
        for store in {self.store, self._looks}:
            store.close()

    def run(self, call: Call[Any]) -> Any:
        return self.store.run(call)

    def redis(self, *command: Any) -> Any:
        wire = self._looks.wire
        return ask(wire, *command) if isinstance(wire, Nodes) else wire.call(*command)

    # What producers and workers do

    def add(self, *ids: str, queue: str = "q", name: str = "n", payload: bytes = b"{}", **job: Any) -> list[Enqueued]:
        """Enqueue jobs under these ids; ``job``: further fields of NewJob."""
        new = [NewJob(name, payload, id=job_id, **job) for job_id in ids]
        return self.run(enqueueing.enqueue(queue, new))

    def add_limited(self, *ids: str, limits: str, **job: Any) -> None:
        """Enqueue jobs that a Python producer has computed these limits for; ``limits``: as `Limits.text` makes it."""
        self.add(*ids, fields=("limits", limits, *job.pop("fields", ())), **job)

    def push(self, *envelopes: str | bytes | dict[str, Any], queue: str = "q") -> None:
        """Put raw envelopes into the inbox, as a producer in any language does."""
        for envelope in envelopes:
            raw = json.dumps(envelope) if isinstance(envelope, dict) else envelope
            self.redis("LPUSH", self.key("inbox", queue), raw)

    def ingest(self, queue: str = "q", nonce: str = "nonce") -> tuple[int, int, int, int]:
        """Ingest once: accepted, rejected, already present, left."""
        done = self.run(enqueueing.ingest(queue, nonce))
        return (done.accepted, done.rejected, done.present, done.left)

    def join(self, *workers: str, queues: Sequence[str] = ("q",), lease_ms: int = LEASE_MS) -> None:
        for worker in workers:
            for queue in queues:
                assert self.run(leases.join(queue, worker, lease_ms))

    def offer(self, *names: str, queue: str = "q", lease_ms: int = LEASE_MS) -> str:
        """Have a daemon say that its workers offer these names; return the digest under which it renews them."""
        roster = leases.roster(names)
        self.run(leases.offer(queue, lease_ms, roster))
        return roster.digest

    def skip_unless_one_call(self, queues: Sequence[str]) -> None:
        """Skip this test where no call can be about so many queues; workers make legs there (test_split_trips.py)."""
        if len(queues) > 1 and self.store.address.cluster:
            pytest.skip("in a cluster a call is about one queue")

    def trip(
        self, worker: str, want: int = 0, outcomes: Sequence[Outcome] = (), *, number: int | None = None,
        in_hand: Sequence[TakenJob] | None = None, queues: Sequence[str] = ("q",), lease_ms: int = LEASE_MS,
        free: int = 0, suspects: tuple[int, Scope] | None = None,
    ) -> Trip:  # fmt: skip
        """Exchange under the worker's next trip number, or under ``number``. ``free``: slots beside what it runs."""
        self.skip_unless_one_call(queues)
        if number is None:
            number = self.trips[worker] = self.trips.get(worker, 0) + 1
        call = trips.exchange(
            queues, worker, number, want, lease_ms, outcomes=outcomes, in_hand=in_hand, free=free, suspects=suspects
        )
        return self.run(call)

    def take(self, worker: str = "w", want: int = 1, **options: Any) -> list[TakenJob]:
        """Take jobs; a worker that is not there yet joins first."""
        queues = options.get("queues", ("q",))
        if worker not in self.trips:
            self.join(worker, queues=queues)
        answer = self.trip(worker, want, **options)
        assert answer.status is Status.OK
        return answer.jobs

    def settle(self, worker: str, job: TakenJob, kind: Kind = Kind.DONE, number: int = 0, **rest: Any) -> Trip:
        """Report one outcome and take nothing."""
        return self.trip(worker, 0, [outcome(job, kind, number, **rest)], queues=(job.queue,))

    def start_all(self, worker: str = "w") -> list[str]:
        """Take and finish jobs, as an idle worker does, until there is nothing to take at this moment."""
        started: list[str] = []
        while jobs := self.take(worker, 5):
            started += [job.id for job in jobs]
            self.trip(worker, 0, [outcome(job, Kind.DONE) for job in jobs])
        return started

    def round(self, kind: Kind, number: int = 0, worker: str = "w", **rest: Any) -> TakenJob:
        """Take the one ready job and settle it."""
        [job] = self.take(worker)
        assert self.settle(worker, job, kind, number, **rest).stale == ()
        return job

    def tend(
        self, queue: str = "q", max_dead: int = 1000, dead_ms: int = 10**12, pause_ms: int = 0
    ) -> upkeep.Housekept:
        """Do one round of housekeeping."""
        return self.run(upkeep.housekeep(queue, LEASE_MS, max_dead, dead_ms, pause_ms))

    def reaping_works_from_now(self, *queues: str) -> None:
        """Spend the first look at a queue, which only grants amnesty."""
        for queue in queues or ("q",):
            self.tend(queue)

    def outlive_leases(self, renewing: Sequence[str] = (), queue: str = "q") -> None:
        """Let a lease pass while housekeeping goes on and only some workers are renewed."""
        for _ in range(5):
            self.clock.advance(LEASE_MS // 4)
            if renewing:
                self.run(leases.renew([queue], LEASE_MS, renewing))
            self.tend(queue)

    # What is really there

    def key(self, part: str, queue: str = "q") -> str:
        return self.store.address.key(f"{{{queue}}}:{part}")

    def ids(self, part: str = "ready", queue: str = "q") -> list[str]:
        """The members of a sorted set, lowest score first."""
        return [member.decode() for member in self.redis("ZRANGE", self.key(part, queue), 0, -1)]

    def score(self, part: str, member: str, queue: str = "q") -> float | None:
        found = self.redis("ZSCORE", self.key(part, queue), member)
        return None if found is None else float(found)

    def active(self, queue: str = "q") -> dict[str, list[str]]:
        """Worker → the ids it has in hand, for every active set there is, with or without a lease."""
        keys = self.redis("KEYS", self.key("active:*", queue))
        names = [key.decode().split(":active:", 1)[1] for key in keys]
        in_hand = {name: self.ids(f"active:{name}", queue) for name in sorted(names)}  # members are "id attempt"
        return {name: [member.split(" ")[0] for member in members] for name, members in in_hand.items()}

    def states(self, job_id: str, queue: str = "q") -> list[str]:
        """Every set the job is a member of; a healthy job is in one, a forgotten one in none."""
        found = [state for state in STATES if self.score(state, job_id, queue) is not None]
        return found + [f"active:{worker}" for worker, ids in self.active(queue).items() if job_id in ids]

    def job(self, job_id: str, queue: str = "q") -> dict[str, str]:
        flat = self.redis("HGETALL", self.key(f"job:{job_id}", queue))
        return {flat[i].decode(): flat[i + 1].decode("latin-1") for i in range(0, len(flat), 2)}

    def counters(self, job_id: str, queue: str = "q") -> dict[str, int]:
        """The counters of a job that are not zero."""
        names = ("executions", "failures", "crashes", "interrupts", "throttles", "lost", "hung", "snoozes")
        return {name: int(value) for name, value in self.job(job_id, queue).items() if name in names}

    def history(self, job_id: str, queue: str = "q") -> list[Any]:
        lines = self.redis("LRANGE", self.key(f"job:{job_id}:history", queue), 0, -1)
        return [json.loads(line) for line in lines]

    def meta(self, name: str, queue: str = "q") -> int | None:
        found = self.redis("HGET", self.key("meta", queue), name)
        return None if found is None else int(found)

    def rejected(self, queue: str = "q") -> list[tuple[str, bytes]]:
        """Reason and bytes of what was refused, the newest first."""
        found = []
        for entry in self.redis("LRANGE", self.key("rejected", queue), 0, -1):
            head, _, raw = entry.partition(b"\n")
            found.append((head.decode().split(" ", 1)[1], raw))
        return found

    def wakes(self, queue: str = "q") -> bool:
        """Whether the wake token is there."""
        return self.score("wake", "1", queue) is not None

    def use_up_token(self, queue: str = "q") -> None:
        self.redis("DEL", self.key("wake", queue))

    def everything(self) -> dict[bytes, Any]:
        """The whole database but the wake tokens, to see that a call changed nothing else."""
        keys = [key for key in sorted(self.redis("KEYS", "*")) if not key.endswith(b":wake")]
        return {key: self._content(key) for key in keys}

    def _content(self, key: bytes) -> Any:
        kind = self.redis("TYPE", key)
        verb, *rest = _READ[kind if isinstance(kind, str) else kind.decode()]
        content = self.redis(verb, key, *rest)
        return sorted(content) if verb == "SMEMBERS" else content


_READ: dict[str, tuple[Any, ...]] = {
    "string": ("GET",), "hash": ("HGETALL",), "set": ("SMEMBERS",),
    "list": ("LRANGE", 0, -1), "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}  # fmt: skip


def outcome(job: TakenJob, kind: Kind, number: int = 0, text: str = "", line: bytes = b"{}") -> Outcome:
    """How the attempt of a taken job ended, from what lua/rules/trip/outcomes.lua calls number, text and line."""
    match kind:
        case Kind.KEPT:
            return Outcome.kept(structs.replace(job, keep_ms=number), result=line, missing=text)
        case Kind.WAITING:
            return Outcome.waiting(job, wait_ms=number, delay_ms=int(text or 0))
        case Kind.THROTTLED:
            return not_run.throttled(job, limits=text)
        case Kind.MISFIT:
            return misfit(job, park_ms=number, error=text, line=line)
        case _:
            return Outcome(job, kind, delay_ms=number, error=text, line=line)


def misfit(
    job: TakenJob, signature: str = "old", park_ms: int = 60_000, *, is_checked: bool = True, error: str = "why",
    line: bytes = b"{}",
) -> Outcome:  # fmt: skip
    """The arguments of a taken job did not fit the function that a worker has."""
    return not_run.misfit(job, park_ms=park_ms, signature=signature, is_checked=is_checked, error=error, line=line)


def answers(store: Store) -> bool:
    """Whether Redis answers again; for `eventually`."""
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True
