"""Fills a server as years of work would: many queues, one of them huge, jobs in each state, dead ones, a fleet.

Of each kind a few jobs come by the scripts that producers, workers and daemons use, the others are copies of these; the
counters of past minutes are written as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.statistics import Ended, end_line
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls import enqueueing, leases, trips, upkeep
from jqjobs.store.calls.batches import close_batch, open_batch
from jqjobs.store.calls.daemons import register
from jqjobs.store.calls.schedules import plan
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.store import Store
from jqjobs.store.wire import Argument

#: Most jobs wait in the first queue, and most of the dead are there; the second one is held back by limits.
HUGE, LIMITED = "q0000", "q0001"
_LEASE_MS = 3_600_000
_LIMITS = 40
_ERRORS = 480
_NAMES = ("send_mail", "charge_card", "make_report")
_WORKERS_A_DAEMON, _QUEUES_A_DAEMON = 10, 50
_MINUTES = 60
_MEMBERS = 200
_CALLS_A_TRIP, _JOBS_A_CALL, _COPIES_A_CALL = 100, 500, 10_000
#: So many jobs come as jobs do; the others are copies.
_MODELS = 15
_PAYLOAD = b'{"kwargs": {"user_id": 123456, "template": "welcome"}}'
_TRACEBACK = "Traceback (most recent call last):\n" + '  File "/srv/shop/jobs.py", line 12, in work\n' * 20
_LIFE = json.dumps({"attempt": 1, "reason": "failed", "error": "boom", "traceback": _TRACEBACK}).encode()


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    jobs: int
    dead: int
    queues: int

    @property
    def names(self) -> list[str]:
        """The names of all queues."""
        return [f"q{number:04}" for number in range(max(2, self.queues))]


def fill(store: Store, size: Size) -> None:
    """Fill an empty server."""
    names = size.names
    others = len(names)
    _run(store, (upkeep.add_queues([name]) for name in names))
    _run(store, (leases.publish(name, _LEASE_MS, _catalog(name)) for name in names))
    spread = max(1, size.dead // 5 // others)
    for name in names:
        _kill(store, name, size.dead - spread * (others - 1) if name == HUGE else spread)
    _hold(store, size.jobs // 100)
    _enqueue(store, HUGE, "ready", size.jobs * 6 // 10)
    _enqueue(store, HUGE, "due", size.jobs // 10, due="+86400000")
    for name in names:
        _enqueue(store, name, "more", size.jobs * 3 // 10 // others)
    _batch(store, names[::10])
    _note_the_past(store, names)
    _man(store, names)


def _catalog(queue: str) -> dict[str, Mapping[str, object]]:
    return {name: {"queue": queue, "max_attempts": 10, "doc": "Does something."} for name in _NAMES}


def _enqueue(store: Store, queue: str, tag: str, jobs: int, due: str = "") -> None:
    """Enqueue jobs of three names and five priorities."""
    new = [NewJob(_NAMES[n % 3], _PAYLOAD, f"{tag}-{n}", n % 5, due) for n in range(min(jobs, _MODELS))]
    store.run(enqueueing.enqueue(queue, new))
    _copy(store, queue, "scheduled" if due else "ready", [job.id for job in new], jobs)


def _kill(store: Store, queue: str, jobs: int) -> None:
    """Have so many dead jobs, of several errors."""
    worker = f"reaper:{queue}"
    new = [NewJob(_NAMES[n % 3], _PAYLOAD, f"dead-{n}", fields=("max_attempts", 1)) for n in range(min(jobs, _ERRORS))]
    store.run(leases.join(queue, worker, _LEASE_MS))
    store.run(enqueueing.enqueue(queue, new))
    taken = store.run(trips.exchange([queue], worker, 1, len(new), _LEASE_MS)).jobs
    ended = [
        Outcome.failed(job, delay_ms=0, error=f"ValueError: trouble of kind {n}", line=_LIFE, group=f"{n:012x}",
                       is_last=True)
        for n, job in enumerate(taken)
    ]  # fmt: skip
    store.run(trips.exchange([queue], worker, 2, 0, _LEASE_MS, outcomes=ended))
    store.run(leases.leave(queue, worker))
    _copy(store, queue, "dead", [job.id for job in new], jobs)


#: Copies jobs, each with its history, under further ids, behind their models in the set they are in. Dead ones died
#: before them: an act leaves alone what dies later than it began.
_COPYING = """
local q, set, first, last = KEYS[1], KEYS[1] .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local jobs, lives, scores = {}, {}, {}
local step = ARGV[1] == 'dead' and -1 or 1
for n = 4, #ARGV do
  jobs[n] = redis.call('HGETALL', q .. 'job:' .. ARGV[n])
  lives[n] = redis.call('LRANGE', q .. 'job:' .. ARGV[n] .. ':history', 0, -1)
  scores[n] = redis.call('ZSCORE', set, ARGV[n])
end
for i = first, last do
  local n = 4 + i % (#ARGV - 3)
  local id = 'copy-' .. ARGV[1] .. '-' .. i
  redis.call('HSET', q .. 'job:' .. id, unpack(jobs[n]))
  if #lives[n] > 0 then redis.call('RPUSH', q .. 'job:' .. id .. ':history', unpack(lives[n])) end
  redis.call('ZADD', set, scores[n] + step * i, id)
end
"""


def _copy(store: Store, queue: str, state: str, models: Sequence[str], jobs: int) -> None:
    """Have as many jobs as are wanted, without a trip for each."""
    for first in range(len(models), jobs, _COPIES_A_CALL):
        last = min(first + _COPIES_A_CALL, jobs) - 1
        store.wire.call("EVAL", _COPYING, 1, store.address.key(keys.queue(queue, "")), state, first, last, *models)


def _batch(store: Store, names: Iterable[str]) -> None:
    """Have a batch in each of these queues, of jobs that are due tomorrow; a job comes after it."""
    then = written([json.dumps({"job": _NAMES[2]}).encode()])
    for name in names:
        member = ("flow", "b", "batch", f"{name}/nightly")
        new = [NewJob(_NAMES[n % 3], _PAYLOAD, f"member-{n}", due="+86400000", fields=member) for n in range(_MEMBERS)]
        store.run(open_batch(name, "nightly", "nonce", OnDead.WAIT, _LEASE_MS, then))
        store.run(enqueueing.enqueue(name, new))
        store.run(close_batch(name, "nightly", _MEMBERS))


def _hold(store: Store, jobs: int) -> None:
    """Have jobs of `LIMITED` that limits hold back."""
    worker = "holder:1:x"
    limits = [Concurrency(1).text(f"shop-{n}") for n in range(_LIMITS)]
    store.run(leases.join(LIMITED, worker, _LEASE_MS))
    new = [NewJob(_NAMES[0], _PAYLOAD, f"limited-{n}", fields=("limits", limits[n % _LIMITS])) for n in range(jobs)]
    _run(store, (enqueueing.enqueue(LIMITED, new[at : at + _JOBS_A_CALL]) for at in range(0, jobs, _JOBS_A_CALL)))
    for trip in count(1):
        answer = store.run(trips.exchange([LIMITED], worker, trip, _JOBS_A_CALL, _LEASE_MS, free=_JOBS_A_CALL))
        if not (answer.jobs or answer.more):
            break


def _note_the_past(store: Store, names: Iterable[str]) -> None:
    """Have an hour of counters, statistics of ten minutes, ends, and a schedule in each tenth queue."""
    now_ms = server_now_ms(store)
    minute = now_ms // 60_000
    for number, name in enumerate(names):
        minutes = [("HSET", store.address.key(keys.queue(name, f"minute:{minute - back}")), "done", 90, "failed", 2)
                   for back in range(-5, _MINUTES)]  # fmt: skip
        store.wire.pipeline(minutes)
        counted = {job: {"started": 9, "done": 8, "run_ms": 900, "wait_ms": 90, "run:4": 9, "wait:2": 9}
                   for job in _NAMES}  # fmt: skip
        ends = [(now_ms - n, end_line(f"e{n}", _NAMES[0], Ended.DONE, 80, 9)) for n in range(100)]
        store.run(add_statistics(name, counted, ends))
        if number % 10 == 0:
            entry = json.dumps({"job": _NAMES[0], "cron": "0 3 * * *", "payload": "{}"})
            store.run(plan(name, _LEASE_MS, "shop:app", {"nightly": entry}))


def _man(store: Store, names: list[str]) -> None:
    """Have daemons for all queues, each with workers that run a job each."""
    now_ms = server_now_ms(store)
    for number, first in enumerate(range(0, len(names), _QUEUES_A_DAEMON)):
        served = names[first : first + _QUEUES_A_DAEMON]
        workers = [f"host{number}:{100 + n}:abc" for n in range(_WORKERS_A_DAEMON)]
        _run(store, (leases.join(queue, worker, _LEASE_MS) for queue in served for worker in workers))
        runs: dict[str, dict[str, Argument]] = {}
        for n, worker in enumerate(workers):
            queue = served[n % len(served)]
            said = [{"id": job.id, "name": job.name, "queue": queue, "attempt": 1, "running_ms": 900}
                    for job in store.run(trips.exchange([queue], worker, 1, 1, _LEASE_MS)).jobs]  # fmt: skip
            runs[worker] = {"pid": 100 + n, "state": "busy", "rss_bytes": 30_000_000, "started_ms": now_ms,
                            "jobs": json.dumps(said), "release": "8f3a2c1"}  # fmt: skip
        about: dict[str, Argument] = {
            "name": f"jqd-{number}", "host": f"host{number}", "pid": 99, "version": "0.2.0", "app": "shop:app",
            "queues": " ".join(served), "lease_ms": _LEASE_MS, "started_ms": now_ms, "state": "running",
            "slots": _WORKERS_A_DAEMON, "workers": " ".join(workers),
        }  # fmt: skip
        store.run(register(f"daemon{number}", _LEASE_MS, about, runs))


def _run(store: Store, calls: Iterable[Call[object]]) -> None:
    found = iter(calls)
    while trip := list(islice(found, _CALLS_A_TRIP)):
        store.run_all(trip)
