"""What readers are told of queues and jobs is what is stored; damaged records are shown, never an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.errors import StoreError
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.reads import jobs, queues, raw
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.queues import QueueStatus
from store.queue_system import START_MS, QueueSystem


def status(system: QueueSystem, queue: str = "q") -> QueueStatus:
    return system.run(queues.queue_status(queue))


def info(system: QueueSystem, job_id: str, queue: str = "q") -> JobInfo:
    found = system.run(jobs.job_info(queue, job_id))
    assert found is not None
    return found


# Queues


def test_a_queue_nobody_used_is_empty(system: QueueSystem) -> None:
    assert status(system).is_empty
    assert status(system).oldest_ready_s is None
    system.add("a")
    assert not status(system).is_empty


def test_every_job_is_counted_once_where_it_is(system: QueueSystem) -> None:
    system.add("ready", "taken", "dies", "kept", "unknown")
    system.add("later", due="+5000")
    system.push("[]", {"job": "x", "id": "raw"})
    system.ingest()
    system.push({"job": "waits"})
    taken = {job.id: job for job in system.take(want=5)}
    system.settle("w", taken["dies"], Kind.DISCARDED)
    system.settle("w", taken["kept"], Kind.KEPT, 60_000, line=b"1")
    system.settle("w", taken["unknown"], Kind.UNKNOWN)
    system.settle("w", taken["ready"], Kind.RELEASED)
    found = status(system)
    counts = {name: getattr(found, name) for name in QueueStatus._fields if name in queues._COUNTS}
    assert counts == {
        "inbox": 1, "ready": 2, "scheduled": 1, "active": 1, "held": 0, "waiting": 0, "parked": 1, "kept": 1, "dead": 1,
        "moving": 0, "suspects": 0, "rejected": 1, "workers": 1,
    }  # fmt: skip
    assert (found.held, found.done, found.failed, found.busy) == (0, 1, 1, ("w",))


def test_of_many_workers_those_are_named_that_have_jobs_in_hand(system: QueueSystem) -> None:
    workers = [f"w{n:03}" for n in range(120)]
    system.join(*workers)
    system.add(*"abcd")
    for worker, want in (("w007", 1), ("w060", 1), ("w119", 2)):
        system.take(worker, want)
    found = status(system)
    assert (found.workers, found.active, sorted(found.busy)) == (120, 4, ["w007", "w060", "w119"])


def test_the_oldest_ready_job_counts_from_when_it_could_run(system: QueueSystem) -> None:
    system.add("later", due="+4000")
    system.clock.advance(1000)
    system.add("urgent", priority=9)
    assert status(system).oldest_ready_s == 0
    system.clock.advance(5000)
    system.tend()
    assert status(system).oldest_ready_s == 5
    system.round(Kind.DONE)
    assert status(system).oldest_ready_s == 2


def test_rates_cover_the_last_sixty_seconds(system: QueueSystem) -> None:
    system.clock.now_ms = START_MS // 60_000 * 60_000
    system.add(*"abcdef")
    for job in system.take(want=4):
        system.settle("w", job)
    assert status(system).done_per_minute == 4
    system.clock.advance(60_000)
    assert status(system).done_per_minute == 4
    system.clock.advance(15_000)
    system.round(Kind.DISCARDED)
    assert (status(system).done_per_minute, status(system).failed_per_minute) == (3, 1)
    system.clock.advance(45_000)
    assert status(system).done_per_minute == 0
    assert (status(system).done, status(system).failed) == (4, 1)


@pytest.mark.parametrize(
    ("this", "last", "at_ms", "rate"), [(0, 0, 0, 0), (3, 6, 0, 9), (3, 6, 30_000, 6), (3, 6, 59_999, 3)]
)
def test_a_rate_takes_the_share_of_the_last_minute_that_is_inside(
    this: int, last: int, at_ms: int, rate: float
) -> None:
    assert queues.per_minute(this, last, START_MS // 60_000 * 60_000 + at_ms) == rate


def test_a_pause_is_told_with_its_beginning(system: QueueSystem) -> None:
    assert status(system).paused_ms is None
    system.run(upkeep.pause("q"))
    system.clock.advance(500)
    assert status(system).paused_ms == START_MS


def test_nonsense_counters_count_as_none(system: QueueSystem) -> None:
    system.redis("HSET", "jq:{q}:meta", "done", "many", "failed", "-3", "paused", "1e999")
    found = status(system)
    assert (found.done, found.failed, found.paused_ms) == (0, 0, None)


def test_a_key_of_another_type_is_a_store_error(real_system: QueueSystem) -> None:
    real_system.redis("SET", "jq:{q}:ready", "x")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        status(real_system)


def test_what_cannot_name_a_queue_is_no_known_queue(system: QueueSystem) -> None:
    system.store.run(upkeep.add_queues(["b", "a"]))
    system.redis("SADD", "jq:{~}:queues", "", "x}:y", "\x1b[31m", b"\xff")
    assert queues.known_queues(system.store) == ["a", "b"]


# One job


def test_there_may_be_no_such_job(system: QueueSystem) -> None:
    assert system.run(jobs.job_info("q", "nope")) is None


def test_a_fresh_job_shows_what_was_enqueued(system: QueueSystem) -> None:
    payload = b'{"args":[1,"x"],"kwargs":{"big":9007199254740993,"empty":[]}}'
    system.add("a", payload=payload, name="send", priority=-2, key="k", fields=("max_attempts", 7))
    found = info(system, "a")
    assert (found.id, found.queue, found.name, found.state, found.key) == ("a", "q", "send", "ready", "k")
    assert (found.args, found.kwargs) == ([1, "x"], {"big": 9007199254740993, "empty": []})
    assert (found.payload, found.priority, found.max_attempts) == (None, -2, 7)
    assert (found.enqueued_ms, found.due_ms, found.started_ms, found.finished_ms) == (START_MS, START_MS, None, None)
    assert (found.attempt, found.executions, found.worker, found.error, found.history) == (0, 0, None, None, ())


def test_a_payload_may_leave_arguments_out_and_carry_other_keys(system: QueueSystem) -> None:
    system.push({"job": "send", "id": "a", "meta": {"trace": 1}})
    system.ingest()
    assert (info(system, "a").args, info(system, "a").kwargs) == ([], {})


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[1]", b"", b'{"args":{}}', b'{"kwargs":[]}', b'{"args":[NaN]}', b'{"args":[1e999]}', b'{"args":["\xff"]}',
     b'{"args":[' + b"[" * 600 + b"]" * 600 + b"]}", b'{"args":[' + b"9" * 5000 + b"]}", b"\x1b[31m"],
)  # fmt: skip
def test_a_payload_that_is_no_job_is_shown_as_text(system: QueueSystem, payload: bytes) -> None:
    system.add("a", payload=payload)
    found = info(system, "a")
    assert (found.args, found.kwargs) == (None, None) if payload else ([], {})
    assert found.payload == (payload.decode("utf-8", "backslashreplace") if payload else None)


def test_a_scheduled_job_shows_when_it_is_due(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    assert (info(system, "a").state, info(system, "a").due_ms) == ("scheduled", START_MS + 5000)


def test_an_active_job_shows_its_worker_and_counts_only_ended_executions(system: QueueSystem) -> None:
    system.add("a")
    system.clock.advance(10)
    system.take("host:1:aa")
    found = info(system, "a")
    assert (found.state, found.worker, found.attempt, found.executions) == ("active", "host:1:aa", 1, 0)
    assert found.started_ms == START_MS + 10


def test_a_dead_job_shows_why_and_its_history(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 1))
    line = {"attempt": 1, "reason": "failed", "error": "boom", "traceback": "T\nboom", "worker": "w",
            "started_ms": 5, "ended_ms": 9}  # fmt: skip
    system.round(Kind.FAILED, text="boom", line=json.dumps(line).encode())
    found = info(system, "a")
    assert (found.state, found.reason, found.error, found.finished_ms) == ("dead", "failed", "boom", START_MS)
    assert (found.executions, found.failures, found.crashes, found.interrupts, found.throttles) == (1, 1, 0, 0, 0)
    assert found.history == (Attempt(1, "failed", "boom", "T\nboom", "w", 5, 9),)


def test_a_crash_that_the_store_wrote_down_reads_like_any_other_attempt(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take()
    system.clock.advance(70)
    board = [BoardEntry("a", job.attempt, "crashed")]
    system.run(leases.leave("q", "w", "killed by SIGKILL", board))
    [attempt] = info(system, "a").history
    assert attempt == Attempt(1, "crashed", "killed by SIGKILL", None, "w", START_MS, START_MS + 70)


@pytest.mark.parametrize(("stored", "result"), [(b'{"n":[]}', {"n": []}), (b"null", None), (b"{", None)])
def test_a_kept_job_shows_its_result(system: QueueSystem, stored: bytes, result: Any) -> None:
    system.add("a")
    system.round(Kind.KEPT, 60_000, line=stored)
    assert (info(system, "a").state, info(system, "a").result) == ("kept", result)


def test_a_damaged_record_is_shown_as_far_as_it_can_be_read(system: QueueSystem) -> None:
    system.redis("HSET", "jq:{q}:job:a", "attempt", "NaN", "priority", "high", "failures", b"\xff", "enqueued", "1e400")
    system.redis("RPUSH", "jq:{q}:job:a:history", "not json", "[1]", '{"attempt":"x","error":7,"ended_ms":true}')
    found = info(system, "a")
    assert (found.state, found.name, found.attempt, found.priority) == ("lost", "", 0, 0)
    assert (found.failures, found.enqueued_ms, found.due_ms, found.args) == (0, None, None, [])
    assert [attempt.error for attempt in found.history] == ["not json", "[1]", None]
    assert found.history[2] == Attempt(None, None, None, None, None, None, None)


def test_a_bare_id_is_looked_up_in_every_known_queue(system: QueueSystem) -> None:
    system.store.run(upkeep.add_queues(["q", "r", "s"]))
    system.add("a", queue="q")
    system.add("a", "b", queue="s")
    assert queues.queues_with(system.store, "a") == ["q", "s"]
    assert queues.queues_with(system.store, "b") == ["s"]
    assert queues.queues_with(system.store, "c") == []


def test_the_catalog_tells_what_workers_published(system: QueueSystem) -> None:
    assert queues.catalog_entry(system.store, "q", "n") is None
    system.run(leases.publish("q", 1000, {"n": {"max_attempts": 9}, "plain": {}}))
    system.redis("HSET", "jq:{q}:catalog", "odd", "[1")
    assert queues.catalog_entry(system.store, "q", "n") == {"max_attempts": 9}
    assert queues.catalog_entry(system.store, "q", "plain") == {}
    assert queues.catalog_entry(system.store, "q", "odd") == {}


# Raw bytes


def test_the_inbox_is_listed_in_the_order_it_will_be_read(system: QueueSystem) -> None:
    system.push(*(f'"{n}"' for n in range(25)))
    first = raw.inbox_page(system.store, "q", 0, 20)
    second = raw.inbox_page(system.store, "q", 20, 20)
    assert [entry.text for entry in first.entries + second.entries] == [f'"{n}"' for n in range(25)]
    assert (first.total, first.next_offset, second.next_offset) == (25, 20, None)
    assert raw.inbox_page(system.store, "q", 25, 20) == raw.RawPage(25, (), None)
    assert raw.inbox_page(system.store, "empty", 0, 20) == raw.RawPage(0, (), None)


def test_what_was_refused_is_listed_with_reason_time_and_bytes(system: QueueSystem) -> None:
    system.push("[]", b'{"job":"x",\n"\xff\x1b":1}')
    system.ingest()
    newest, oldest = raw.rejected_page(system.store, "q", 0, 10).entries
    assert oldest == raw.RawEntry("[]", 2, "not_object: an envelope is a JSON object", START_MS)
    assert newest.text == '{"job":"x",\n"\\xff\x1b":1}'
    assert newest.size_bytes == 19
    assert newest.reason


def test_a_page_of_large_entries_ends_early(system: QueueSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "_PAGE_BYTES", 3000)
    system.push(*["x" * 200] * 40)
    found = raw.inbox_page(system.store, "q", 0, 40)
    assert (len(found.entries), found.next_offset, found.total) == (20, 20, 40)
