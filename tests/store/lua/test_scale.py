"""No script call takes above 10 ms of Redis, with 100,000 jobs in the queue and full batches.

By the processor time of Redis, which others on the machine hardly stretch; and scaled by what the same server takes for
a loop of such calls just before and after. Who is slow must be slow each time it is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.jobs.records import Kind, NewJob
from jqjobs.jobs.selector import Selector
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import enqueueing, leases
from jqjobs.store.reads import jobs, queues
from jqjobs.store.reads.search import Cursor, search
from store.queue_system import LEASE_MS, QueueSystem, outcome

LIMIT_US = 10_000
#: A script that does what those of a job do, with a key each, and what it takes on a machine of 2024, in µs.
LOOP = """
for i = 1, 500 do
  local job = 'loop:' .. i
  redis.call('HSET', job, 'name', 'n', 'attempt', i)
  local f = redis.call('HMGET', job, 'name', 'attempt', 'none')
  redis.call('ZADD', 'loop', f[2], string.match(job, '%d+') .. ' ' .. f[2])
  redis.call('DEL', job)
end
redis.call('DEL', 'loop')
"""
LOOP_US = 3_850
JOBS = 100_000
#: Jobs of one enqueue call, as `enqueue_many` sends them.
BATCH = 200


@pytest.fixture
def system(real_system: QueueSystem) -> QueueSystem:
    return real_system


def slowness(system: QueueSystem) -> float:
    """How much slower than the machine of 2024 this one is, right now."""
    times = [timed_us(system, lambda: system.redis("EVAL", LOOP, 0))[0] for _ in range(5)]
    return max(1.0, sorted(times)[2] / LOOP_US)


def timed_us(system: QueueSystem, call: Callable[[], Any]) -> tuple[float, Any]:
    """Call, and return how long Redis has worked meanwhile, in the thread that runs scripts, and the answer."""
    before = spent_us(system)
    answer = call()
    return spent_us(system) - before, answer


def spent_us(system: QueueSystem) -> float:
    info = system.redis("INFO", "CPU")
    return sum(float(s) * 1e6 for s in re.findall(rb"used_cpu_(?:sys|user)_main_thread:(\S+)", info))


def durations_us(system: QueueSystem, work: Callable[[], object]) -> list[float]:
    """Do work and return what each of its script calls took, in order."""
    wire = system.store.wire
    call, found = wire.call, []

    def timed(*command: Any) -> Any:
        if command[0] not in ("EVALSHA", "EVAL"):
            return call(*command)
        took_us, answer = timed_us(system, lambda: call(*command))
        found.append(took_us)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "call", timed)
        work()
    return found


def assert_quick(system: QueueSystem, prepare: Callable[[int], Callable[[], object]]) -> None:
    """Prepare and do work up to eight times; pass as soon as each call was quick once."""
    best: list[float] = []
    for attempt in range(8):
        work = prepare(attempt)
        before = slowness(system)
        found = durations_us(system, work)
        times_slower = (before + slowness(system)) / 2
        scaled = [us / times_slower for us in found]
        best = list(map(min, best, scaled)) if len(best) == len(scaled) else scaled
        print(f"\nslowest call: {max(found, default=0):.0f} µs, on a machine {times_slower:.2f} times slower")
        if max(best, default=0) <= LIMIT_US:
            return
    pytest.fail(f"slowest call: {max(best):.0f} µs, in {len(best)} calls")


def fill(system: QueueSystem, count: int, prefix: str = "j", **job: object) -> None:
    for start in range(0, count, BATCH):
        new = [NewJob("n", b'{"args":[1]}', id=f"{prefix}{n}", **job) for n in range(start, start + BATCH)]
        system.run(enqueueing.enqueue("q", new))


def test_with_a_hundred_thousand_jobs_no_call_is_slow(system: QueueSystem) -> None:
    system.join("w")
    fill(system, JOBS)
    in_hand: list = []

    def enqueue(attempt: int) -> Callable[[], object]:
        return lambda: fill(system, 5 * BATCH, f"a{attempt}-")

    def work(attempt: int) -> Callable[[], object]:
        def trips() -> None:
            for _ in range(5):
                answer = system.trip("w", 100, [outcome(job, Kind.DONE) for job in in_hand])
                in_hand[:] = answer.jobs
                system.run(queues.queue_status("q"))
                system.run(jobs.job_info("q", in_hand[0].id))
                system.run(search("q", Selector(name="other", text="x"), Cursor("ready")))
                system.run(leases.renew(["q"], LEASE_MS, ["w"], [system.offer("n")]))
                system.tend()

        return trips

    assert_quick(system, enqueue)
    assert_quick(system, work)
    assert system.redis("ZCARD", system.key("ready")) >= JOBS


@pytest.mark.parametrize("kind", list(Kind))
def test_a_batch_of_a_hundred_outcomes_of_any_kind_is_not_slow(system: QueueSystem, kind: Kind) -> None:
    def settle(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.run(leases.publish("q", LEASE_MS, {"n": {"doc": "x" * 300, "max_attempts": 5}}))
        system.add(*[f"j{n}" for n in range(100)])
        jobs = system.take("w", 100)
        line = b'{"traceback":"%s"}' % (b"x" * 1000)
        return lambda: system.trip("w", 0, [outcome(job, kind, 1000, "500", line) for job in jobs])

    assert_quick(system, settle)


@pytest.mark.parametrize("size", [500])
def test_a_full_batch_is_taken_and_settled_quickly(system: QueueSystem, size: int) -> None:
    def both(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        fill(system, 1000)
        jobs = system.take("w", size)
        return lambda: system.trip("w", size, [outcome(job, Kind.DONE) for job in jobs])

    assert_quick(system, both)


def test_a_hundred_dead_workers_are_reaped_in_short_calls(system: QueueSystem) -> None:
    """And what is due, parked, kept and dead moves on meanwhile."""

    def rounds(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.reaping_works_from_now()
        for worker in range(100):
            system.add(*[f"w{worker}-{i}" for i in range(20)])
            system.take(f"w{worker}", 20)
        make_old(system)
        for _ in range(4):
            system.clock.advance(LEASE_MS // 4 - 1)
            system.tend()
        system.clock.advance(LEASE_MS // 4)
        return lambda: tend_until_done(system)

    assert_quick(system, rounds)
    assert system.ids("leases") == []
    assert system.redis("ZCARD", system.key("ready")) == 100 * 20 + 600
    assert system.ids("dead") == system.ids("kept") == []


def make_old(system: QueueSystem) -> None:
    """Jobs that housekeeping has to move or forget when the leases are over."""
    for kind, number in ((Kind.KEPT, LEASE_MS), (Kind.DISCARDED, 0)):
        system.add(*[f"{kind}{i}" for i in range(300)], priority=1)
        jobs = system.take("maker", 300)
        system.trip("maker", 0, [outcome(job, kind, number) for job in jobs])
    system.add(*[f"due{i}" for i in range(600)], due=f"+{LEASE_MS}")
    system.run(leases.leave("q", "maker"))


def tend_until_done(system: QueueSystem) -> None:
    rounds = 0
    while system.tend(max_dead=0).more:
        rounds += 1
        assert rounds < 100


def test_a_worker_with_a_full_batch_is_ended_quickly(system: QueueSystem) -> None:
    def leave(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.add(*[f"j{n}" for n in range(500)])
        system.take("w", 500)
        board = [BoardEntry(f"j{n}", 1, "suspect 8 1") for n in range(16)]
        board += [BoardEntry(f"j{n}", 1, "succeeded") for n in range(16, 200)]
        return lambda: system.run(leases.leave("q", "w", "killed", board))

    assert_quick(system, leave)


def test_a_hundred_envelopes_are_ingested_quickly(system: QueueSystem) -> None:
    def ingest(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.run(leases.publish("q", LEASE_MS, {"n": {"doc": "x" * 300}}))
        system.push(*[{"job": "n", "args": ["x" * 500], "kwargs": {"a": [1, 2, 3]}}] * 100)
        return lambda: system.ingest()

    assert_quick(system, ingest)


def test_two_hundred_workers_are_counted_quickly(system: QueueSystem) -> None:
    def count(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.join(*[f"w{n}" for n in range(200)])
        return lambda: system.run(queues.queue_status("q"))

    assert_quick(system, count)


def serve(system: QueueSystem, times: int) -> Callable[[], object]:
    """One worker makes trips: it reports what it has started, takes what may start, and sleeps as it is told."""

    def trips() -> None:
        jobs: list = []
        for _ in range(times):
            answer = system.trip("w", 64, [outcome(job, Kind.DONE) for job in jobs])
            jobs = answer.jobs
            if not jobs and not answer.more:
                system.clock.advance(answer.wait_ms or 1000)
        system.trip("w", 0, [outcome(job, Kind.DONE) for job in jobs])

    return trips


RATE, PLACES = "r 100 1000 api/1s", "c 1 0 api/running"
BOTH = f"{RATE} {PLACES}"


@pytest.mark.parametrize(("limits", "entry"), [(RATE, {}), (PLACES, {}), (BOTH, {}), (BOTH, {"max_throttles": 3})])
def test_with_ten_thousand_jobs_behind_one_limit_no_call_is_slow(
    system: QueueSystem, limits: str, entry: dict[str, int]
) -> None:
    def work(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.join("w", "v")
        system.run(leases.publish("q", LEASE_MS, {"n": {"doc": "x" * 300, **entry}}))
        fill(system, 10_000, fields=("limits", limits))
        system.take("v")  # has a place all the time
        return serve(system, 400)

    assert_quick(system, work)
    if not entry:
        assert system.redis("ZCARD", system.key("held")) > 9000


def test_a_thousand_limits_whose_timers_come_at_once_are_served_in_short_calls(system: QueueSystem) -> None:
    def work(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.join("w")
        for i in range(1000):
            system.redis("LPUSH", system.key(f"limit:user:{i}/1s"), system.clock.now_ms)
        for n in range(10):
            new = [NewJob("n", b"{}", id=f"j{n}-{i}", fields=("limits", f"r 1 1000 user:{i}/1s")) for i in range(1000)]
            system.run(enqueueing.enqueue("q", new))
        while system.trip("w", 64).more:
            pass
        system.clock.advance(2000)

        def tend() -> None:
            while system.tend().more:
                pass
            serve(system, 100)()

        return tend

    assert_quick(system, work)
    assert system.redis("HLEN", system.key("gates")) == 1000
    assert system.redis("ZCARD", system.key("held")) == 9000


def test_a_thousand_places_are_looked_after_quickly(system: QueueSystem) -> None:
    def work(attempt: int) -> Callable[[], object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.join("w")
        for n in range(1000):
            system.redis("ZADD", system.key("limit:db/running"), n, f"ghost{n} 1")
        fill(system, 1000, fields=("limits", "c 1000 0 db/running"))
        serve(system, 20)()
        system.clock.advance(60_000)
        return lambda: system.tend()

    assert_quick(system, work)
    assert system.redis("ZCARD", system.key("limit:db/running")) == 980
