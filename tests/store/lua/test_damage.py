"""Damaged data harms only its own job: every field and key of a queue is set to nonsense, wherever a job may be.

Healthy jobs all run. The damaged one runs too, where nobody needs what is damaged, or is dead and says which field of
its record is why. What does not belong to one job is set aside, or does without.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.flow import OnDead, written
from jqjobs.jobs.records import Kind, State
from jqjobs.jobs.selector import Selector
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import batches, cancels, daemons, leases, recalls, upkeep, waits
from jqjobs.store.calls.deaths import deaths
from jqjobs.store.reads.jobs import job_or_trace
from jqjobs.store.reads.queues import queue_status
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.search import Cursor, search
from servers import REAL_KINDS
from store.queue_system import LEASE_MS, QueueSystem, outcome

HEALTHY = ("before", "after", "plain")
FIELDS = (
    "name", "payload", "enqueued", "priority", "due", "key", "coalesce", "max_attempts", "max_crashes", "timeout",
    "limits", "held", "keep", "expires", "attempt", "taken", "executions", "failures", "crashes", "interrupts",
    "uncleaned", "token", "answer", "wait_backoff", "cancel", "suspect", "lost", "hung", "throttles", "forgiven",
    "rank", "refused", "error", "group", "reason", "finished", "result", "awaited", "progress", "log",
)  # fmt: skip
NONSENSE = ("5m", "", "9" * 40, "-7", b"\xff\xfe\x00", "1.5", "inf", "nan", "0x10")
#: Who reads one of these cannot go on: the worker, or what counts the next outcome.
NEEDED = ("timeout", "keep", "attempt", "failures", "uncleaned", "expires", "max_attempts", "hung")

Damage = Callable[[], None]


def enqueue(system: QueueSystem, *fields: str | int) -> None:
    system.add("before", "bad", "after", fields=fields or ("timeout", 5000, "max_attempts", 3))
    system.add("plain")


def take_all(system: QueueSystem) -> list[TakenJob]:
    taken: list[TakenJob] = []
    while jobs := system.take("w", 10, free=10):
        taken += jobs
    return taken


def settle(system: QueueSystem, jobs: list[TakenJob], kind: Kind, number: int = 10) -> None:
    """The one ends so, the others have succeeded."""
    text = {Kind.WAITING: "100", Kind.THROTTLED: "-"}.get(kind, "why")
    ends = [outcome(job, kind, number, text) if job.id == "bad" else outcome(job, Kind.DONE) for job in jobs]
    system.trip("w", 0, ends)


def leave(system: QueueSystem, jobs: list[TakenJob], word: str) -> None:
    board = [BoardEntry(job.id, job.attempt, word if job.id == "bad" else "succeeded") for job in jobs]
    system.run(leases.leave("q", "w", "killed", board))


def in_hand(settled: Callable[[QueueSystem, list[TakenJob]], object]) -> Callable[[QueueSystem, Damage], None]:
    """The record is damaged while a worker has the job in hand."""

    def situation(system: QueueSystem, damage: Damage) -> None:
        enqueue(system)
        jobs = take_all(system)
        damage()
        settled(system, jobs)

    return situation


def put_by(settled: Callable[[QueueSystem, list[TakenJob]], object]) -> Callable[[QueueSystem, Damage], None]:
    """It is damaged once it waits for something, after an attempt."""

    def situation(system: QueueSystem, damage: Damage) -> None:
        enqueue(system)
        settled(system, take_all(system))
        damage()

    return situation


def ready(system: QueueSystem, damage: Damage) -> None:
    enqueue(system)
    damage()


def held(system: QueueSystem, damage: Damage) -> None:
    system.add_limited("before", "bad", "after", limits="c 1 0 api")
    jobs = take_all(system)
    damage()
    settle(system, jobs, Kind.DONE)


def replaced(system: QueueSystem, damage: Damage) -> None:
    system.add("bad", key="k")
    damage()
    system.add("before", key="k", replace=True)


def cancelled(system: QueueSystem, damage: Damage) -> None:
    enqueue(system)
    damage()
    system.run(cancels.cancel("q", ["bad", "gone"]))


def retried(system: QueueSystem, damage: Damage) -> None:
    enqueue(system)
    settle(system, take_all(system), Kind.DISCARDED)
    damage()
    system.run(upkeep.retry("q", ["bad"]))


SITUATIONS: dict[str, Callable[[QueueSystem, Damage], None]] = {
    **{f"in hand, then {kind}": in_hand(lambda s, jobs, kind=kind: settle(s, jobs, kind)) for kind in Kind},
    **{
        f"in hand, its worker ends: {word}": in_hand(lambda s, jobs, word=word: leave(s, jobs, word))
        for word in ("crashed", "suspect 1 1", "hung", "interrupted", "succeeded", "failed", "waiting 5", "unstarted")
    },
    "in hand, its lease runs out": in_hand(lambda s, _: s.outlive_leases()),
    "in hand, not told": in_hand(lambda s, _: s.trip("w", in_hand=[])),
    "in hand, recalled": in_hand(lambda s, jobs: s.run(recalls.recall("q", "w", [(j.id, j.attempt) for j in jobs]))),
    "ready": ready,
    "held": held,
    "replaced": replaced,
    "cancelled": cancelled,
    "retried": retried,
    "failed before": put_by(lambda s, jobs: settle(s, jobs, Kind.FAILED)),
    "waiting": put_by(lambda s, jobs: settle(s, jobs, Kind.WAITING)),
    "parked": put_by(lambda s, jobs: settle(s, jobs, Kind.MISFIT, 1000)),
    "a suspect": put_by(lambda s, jobs: leave(s, jobs, "suspect 1 1")),
    "kept": put_by(lambda s, jobs: settle(s, jobs, Kind.KEPT)),
}


def look_at_all(system: QueueSystem) -> None:
    """Everything that people and daemons read; none of it may raise."""
    system.run(queue_status("q"))
    for state in State:
        system.run(search("q", Selector(name="n", error="e", text="x", since_ms=1), Cursor(state)))
        system.run(search("q", Selector(), Cursor(state)))
    for job_id in ("bad", *HEALTHY):
        system.run(job_or_trace("q", job_id))
    system.run(deaths("q", ["n"], 10))
    system.run(waits.resolve("q", "bad", "", error="no"))


def work_on(system: QueueSystem) -> list[str]:
    """Let hours pass in which a worker does all there is; return what it ran."""
    ran: list[str] = []
    for round_ in range(5):
        system.clock.advance(4_000_000)
        system.tend()
        worker = f"later{round_}"
        while jobs := system.take(worker, 10, suspects=(1, Scope.HOST)) or system.take(worker, 10):
            ran += [job.id for job in jobs]
            system.trip(worker, 0, [outcome(job, Kind.DONE) for job in jobs])
    return ran


def fresh(system: QueueSystem) -> None:
    system.redis("FLUSHALL")
    system.trips.clear()
    system.join("w")
    system.trips["w"] = 0
    system.run(leases.publish("q", LEASE_MS * 10**6, {"n": {}}))
    system.tend()


def complaints(system: QueueSystem, field: str) -> list[str]:
    """What is not as it must be, once all is done."""
    found = [f"{job_id} is {system.states(job_id)}" for job_id in HEALTHY if system.states(job_id)]
    states, record = system.states("bad"), system.job("bad")
    if record and states not in (["dead"], ["kept"], ["parked"]):
        found.append(f"the damaged job is {states}")
    if record.get("reason") == "damaged" and f"its field {field} " not in record["error"]:
        found.append(f"its error does not name the field: {record['error']}")
    return found


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_damaged_field_harms_only_its_own_job(real_system: QueueSystem, situation: str) -> None:
    """Every field in every situation: the one server has every other field, the other one has the rest."""
    system, dice = real_system, random.Random(situation)
    for field in FIELDS[REAL_KINDS.index(system.kind) :: len(REAL_KINDS)]:
        value = dice.choice(NONSENSE)
        fresh(system)
        SITUATIONS[situation](system, lambda: system.redis("HSET", system.key("job:bad"), field, value))  # noqa: B023
        look_at_all(system)
        work_on(system)
        look_at_all(system)

        assert (field, value, complaints(system, field)) == (field, value, [])


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_record_or_a_history_of_another_type_harms_only_its_own_job(real_system: QueueSystem, situation: str) -> None:
    system = real_system
    for part in ("job:bad", "job:bad:history"):
        fresh(system)
        SITUATIONS[situation](system, lambda: system.redis("SET", system.key(part), "x"))  # noqa: B023
        look_at_all(system)
        work_on(system)
        look_at_all(system)

        assert [job_id for job_id in HEALTHY if system.states(job_id)] == []
        assert system.states("bad") in ([], ["dead"], ["kept"], ["parked"])


@pytest.mark.parametrize("field", NEEDED)
@pytest.mark.parametrize("value", ["5m", "", "-7", "9" * 40, b"\xff"], ids=repr)
def test_a_job_with_a_field_that_a_worker_needs_is_dead_and_says_which(
    system: QueueSystem, field: str, value: str | bytes
) -> None:
    enqueue(system)
    system.redis("HSET", system.key("job:bad"), field, value)

    assert sorted(system.start_all()) == sorted(HEALTHY)
    assert system.states("bad") == ["dead"]
    assert system.job("bad")["reason"] == "damaged"
    assert system.job("bad")["error"].startswith(f"its field {field} is no number that may be there")


@pytest.mark.parametrize("value", [b"\xff\xfe", "", "two words", "x" * 129], ids=repr)
@pytest.mark.parametrize("fields", [(), ("timeout", 5)], ids=["plain", "with options"])
def test_a_job_whose_name_can_be_none_is_dead(system: QueueSystem, value: str | bytes, fields: tuple[str, ...]) -> None:
    system.add("before", "bad", "after", fields=fields)
    system.redis("HSET", system.key("job:bad"), "name", value)

    assert system.start_all() == ["before", "after"]
    assert system.job("bad")["error"].startswith("its field name cannot be read")


@pytest.mark.parametrize("field", ["name", "payload"])
def test_a_job_that_lacks_what_each_must_have_is_dead_and_not_forgotten(system: QueueSystem, field: str) -> None:
    system.add("before", "bad", "after")
    system.redis("HDEL", system.key("job:bad"), field)

    assert system.start_all() == ["before", "after"]
    assert (system.states("bad"), system.job("bad")["error"]) == (["dead"], f"its field {field} is missing")


def test_a_job_that_was_mended_can_be_retried(system: QueueSystem) -> None:
    system.add("bad", fields=("timeout", 5))
    system.redis("HSET", system.key("job:bad"), "timeout", "5m")
    system.start_all()
    system.redis("HSET", system.key("job:bad"), "timeout", "5000")
    system.run(upkeep.retry("q", ["bad"]))

    assert system.start_all() == ["bad"]


#: All keys that a queue may have, jobs apart; "w" is the worker.
KEYS = (
    "meta", "inbox", "rejected", "wake", "ready", "scheduled", "suspects", "held", "gates", "waiting", "parked",
    "misfits", "dead", "errors", "kept", "succeeded", "cancels", "unique", "hooks", "leases", "draining", "catalog",
    "stats", "recent", "schedule", "ticks", "paused", "offers", "minute:{minute}", "held:api", "patience:api",
    "limit:api", "active:w", "trip:w", "transfers", "arrived", "turns", "notices", "batches", "added", "came", "comes",
    "batch:b", "batch:b:open", "batch:b:dead", "batch:b:kept", "batch:b:seen", "batch:b:at",
    "rosters", "roster:{roster}",
)  # fmt: skip
#: Who writes over one of these has taken out of it what was in it: the jobs, or the leases.
LOSES = {"ready", "held", "held:api", "active:w", "leases"}


def overwrite(system: QueueSystem, part: str) -> None:
    parts = {"minute": system.clock.now_ms // 60_000, "roster": leases.roster(["n"]).digest}
    system.redis("SET", system.key(part.format(**parts)), "x")


@pytest.mark.parametrize("part", KEYS)
def test_a_key_of_the_wrong_type_takes_no_settled_job_along(real_system: QueueSystem, part: str) -> None:
    """Successes of all sorts, a failure and a wait are recorded as what they are."""
    system = real_system
    fresh(system)
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 10**9))
    system.add("done", "waits", "fails", "kept", fields=("keep", 10**9, "flow", "b", "batch", "q/b"))
    system.add("chained", fields=("flow", "t", "then", written([b'{"job":"n"}'])))
    system.add("keyed", key="k")
    system.add_limited("limited", limits="c 2 0 api")
    system.add("plain")
    jobs = {job.id: job for job in take_all(system)}
    overwrite(system, part)
    kinds = {"kept": Kind.KEPT, "waits": Kind.WAITING, "fails": Kind.FAILED}
    if part not in ("active:w", "leases"):
        system.trip("w", 0, [outcome(job, kinds.get(job_id, Kind.DONE), 10**8) for job_id, job in jobs.items()])
        system.tend()

        assert [system.states(job_id) for job_id in ("done", "keyed", "limited", "plain", "chained")] == [[]] * 5
        assert [system.states(job_id) for job_id in ("kept", "waits", "fails")] == [
            ["kept"],
            ["waiting"],
            ["scheduled"],
        ]


@pytest.mark.parametrize("part", KEYS)
def test_a_queue_goes_on_after_a_key_of_it_was_overwritten(real_system: QueueSystem, part: str) -> None:
    """What is enqueued afterwards runs, and another queue has noticed nothing."""
    system = real_system
    fresh(system)
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 10**9))
    system.add("early", fields=("flow", "b", "batch", "q/b"))
    system.add_limited("first", "second", limits="c 1 0 api")
    for _ in range(3):
        system.trip("w", 1)
    overwrite(system, part)
    system.join("v", queues=["r"])
    system.run(leases.publish("r", LEASE_MS * 10**6, {"n": {}}))
    system.add("elsewhere", queue="r")

    assert [job.id for job in system.take("v", 5, queues=["r"])] == ["elsewhere"]
    tended = system.tend()
    system.run(leases.leave("q", "w"))
    system.add("late")
    system.add_limited("limited", limits="c 1 0 api")
    ran = work_on(system)

    assert {"late", "limited"} <= set(ran)
    if part not in LOSES:
        assert system.states("early") == system.states("second") == []
    if part in ("ready", "unique", "kept"):
        assert tended.mended == f"jq:{{q}}:{part} was a string"
        assert system.redis("GET", system.key(f"{part}:damaged")) == b"x"


@pytest.mark.parametrize(
    ("part", "is_used"), [("unique", False), ("rejected", False), ("kept", True), ("waiting", True)]
)
def test_a_key_of_the_wrong_type_that_is_no_string_is_found_once_used_or_within_a_minute(
    real_system: QueueSystem, part: str, is_used: bool
) -> None:
    system = real_system
    fresh(system)
    for _ in range(2):
        system.redis("DEL", system.key(part))
        system.redis("SADD", system.key(part), "x")
        told = [system.tend().mended]
        system.clock.advance(60_000)
        told.append(system.tend().mended)

        assert told == ([f"jq:{{q}}:{part} was a set", ""] if is_used else ["", f"jq:{{q}}:{part} was a set"])


def test_the_types_of_all_keys_are_asked_for_once_a_minute(real_system: QueueSystem) -> None:
    system = real_system
    fresh(system)
    asked: list[int] = []
    for wait_ms in (0, 59_999, 1, 1):
        system.clock.advance(wait_ms)
        system.redis("CONFIG", "RESETSTAT")
        system.tend()
        asked.append(int("cmdstat_type:" in system.redis("INFO", "commandstats").decode()))
    assert asked == [0, 0, 1, 0]


def test_what_a_trip_has_set_aside_housekeeping_tells_once(real_system: QueueSystem) -> None:
    system = real_system
    fresh(system)
    system.add("a")
    overwrite(system, "ready")
    system.trip("w", 1)
    overwrite(system, "cancels")
    system.trip("w", 1)

    assert system.tend().mended == ", ".join(f"jq:{{q}}:{part} was a string" for part in ("ready", "cancels"))
    assert system.tend().mended == ""


@pytest.mark.parametrize(
    "field", ["seq", "done", "failed", "trimmed", "rejected_bytes", "agenda", "reaped", "unpark", "counted", "amnesty"]
)
def test_a_number_of_the_queue_that_is_none_is_forgotten(real_system: QueueSystem, field: str) -> None:
    system = real_system
    for value in NONSENSE:
        fresh(system)
        system.add("a")
        system.redis("HSET", system.key("meta"), field, value)
        system.tend()
        system.push({"job": "n", "id": "b"}, "nonsense")
        system.ingest()

        assert (field, value, sorted(work_on(system))) == (field, value, ["a", "b"])


def test_what_workers_published_for_a_name_is_not_believed_where_it_is_nonsense(real_system: QueueSystem) -> None:
    system = real_system
    for entry in ("x", "[]", '{"max_attempts":-5,"max_crashes":"x","backoff_ms":[1e999],"keep_ms":-1,"priority":[]}'):
        fresh(system)
        system.add("a")
        system.redis("HSET", system.key("catalog"), "n", entry)
        system.settle("w", system.take("w")[0], Kind.FAILED, 10)

        assert (entry, work_on(system)) == (entry, ["a"])


def test_lists_of_all_queues_and_all_daemons_that_were_overwritten_begin_anew(real_system: QueueSystem) -> None:
    system = real_system
    for part in ("queues", "daemons"):
        system.redis("SET", f"jq:{{~}}:{part}", "x")
    system.run(upkeep.add_queues(["q"]))
    system.run(daemons.register("d", 10_000, {"name": "shop"}, {}))

    assert system.store.queues() == ["q"]
    assert [daemon.name for daemon in read_registry(system.store).daemons] == ["shop"]
