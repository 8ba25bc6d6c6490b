"""What stays after the end: kept results, dead jobs, and their way back to ready."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.reads.queues import queue_status
from store.queue_system import START_MS, QueueSystem, outcome


def kill_off(system: QueueSystem, *ids: str, **job: object) -> None:
    """Make dead jobs, one millisecond apart."""
    for job_id in ids:
        system.add(job_id, priority=100, **job)
        system.round(Kind.DISCARDED)
        system.clock.advance(1)


def test_a_kept_job_is_forgotten_with_its_history_when_its_time_is_over(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 5))
    system.round(Kind.FAILED)
    system.round(Kind.KEPT, 100)
    system.clock.advance(99)
    system.tend()
    assert system.states("a") == ["kept"]
    system.clock.advance(1)
    system.tend()

    assert system.states("a") == []
    assert system.redis("KEYS", system.key("job:*")) == []


def test_forgetting_an_old_job_leaves_the_key_to_the_job_that_has_it_now(system: QueueSystem) -> None:
    system.add("old", key="k")
    system.round(Kind.KEPT, 100)
    system.add("new", key="k")
    system.clock.advance(100)
    system.tend()

    assert system.add("newer", key="k")[0].id == "new"


def test_dead_jobs_are_bounded_by_age(system: QueueSystem) -> None:
    kill_off(system, "a", "b", "c")
    system.tend(dead_ms=2)

    assert system.ids("dead") == ["c"]
    assert sorted(system.redis("KEYS", system.key("job:*"))) == [b"jq:{q}:job:c", b"jq:{q}:job:c:history"]


def test_dead_jobs_are_bounded_by_count_the_oldest_go_first(system: QueueSystem) -> None:
    kill_off(system, "a", "b", "c", "d")
    system.tend(max_dead=3)
    assert system.ids("dead") == ["b", "c", "d"]
    system.tend(max_dead=0)

    assert system.ids("dead") == []
    assert system.redis("KEYS", system.key("job:*")) == []


def test_retention_is_done_in_bounded_rounds(system: QueueSystem) -> None:
    ids = [f"j{i:03}" for i in range(250)]
    system.add(*ids)
    jobs = system.take("w", 500)
    system.trip("w", 0, [outcome(job, Kind.DISCARDED) for job in jobs])
    rounds = []
    while (found := system.tend(max_dead=10)).more:
        rounds.append((found.trimmed, len(system.ids("dead"))))

    assert rounds == [(100, 150), (100, 50)]
    assert (found.trimmed, len(system.ids("dead"))) == (40, 10)
    assert system.meta("trimmed") == 240


def test_what_is_trimmed_for_age_or_number_is_counted_for_good(system: QueueSystem) -> None:
    kill_off(system, "a", "b", "c", "d")
    assert system.tend(dead_ms=4).trimmed == 1
    assert system.tend(max_dead=2).trimmed == 1
    assert system.tend(max_dead=2).trimmed == 0

    assert system.run(queue_status("q")).trimmed == 2
    assert not system.run(queue_status("q")).is_empty


def test_what_is_kept_is_forgotten_as_announced_and_not_counted_as_trimmed(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.KEPT, 100)
    system.clock.advance(100)

    assert system.tend().trimmed == 0
    assert system.meta("trimmed") is None


def test_a_retried_job_is_ready_behind_those_already_there(system: QueueSystem) -> None:
    kill_off(system, "a")
    system.add("b", priority=100)
    assert system.run(upkeep.retry("q", ["a"])) == [1]

    assert system.ids("ready") == ["b", "a"]
    assert system.states("a") == ["ready"]
    stored = system.job("a")
    assert not {"reason", "finished", "expires"} & stored.keys()


def test_the_counters_stay_but_every_limit_starts_anew(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 2, "max_crashes", 2))
    for _ in range(2):
        system.round(Kind.FAILED)
    assert system.states("a") == ["dead"]
    system.run(upkeep.retry("q", ["a"]))
    system.round(Kind.FAILED)
    assert system.states("a") == ["ready"]
    system.round(Kind.FAILED)

    assert system.states("a") == ["dead"]
    assert system.counters("a") == {"failures": 4, "executions": 4}


def test_crashes_are_forgiven_too(system: QueueSystem) -> None:
    system.add("a", fields=("max_crashes", 1))
    for n in range(1, 4):
        system.take(f"w{n}")
        system.run(leases.leave("q", f"w{n}", "killed", [BoardEntry("a", n, "crashed")]))
        assert system.states("a") == ["dead"]
        assert system.run(upkeep.retry("q", ["a"])) == [1]

    assert system.states("a") == ["ready"]
    assert system.counters("a") == {"crashes": 3, "executions": 3}


def test_only_dead_jobs_are_retried(system: QueueSystem) -> None:
    system.add("ready", "held")
    system.add("later", due="+50")
    kill_off(system, "a")
    before = system.score("ready", "ready")

    assert system.run(upkeep.retry("q", ["ready", "later", "ghost", "a", "a"])) == [0, 0, 0, 1, 0]
    assert system.score("ready", "ready") == before
    assert system.states("later") == ["scheduled"]
    assert system.states("ghost") == []


def test_a_retry_takes_its_coalescing_key_back_or_is_refused(system: QueueSystem) -> None:
    kill_off(system, "a", key="k")
    system.add("b", key="k")
    assert system.run(upkeep.retry("q", ["a"])) == [-1]
    assert system.states("a") == ["dead"]
    system.round(Kind.DONE)
    assert system.run(upkeep.retry("q", ["a"])) == [1]

    assert system.add("c", key="k")[0].id == "a"


def test_a_retry_is_not_refused_for_a_key_whose_job_is_gone(system: QueueSystem) -> None:
    kill_off(system, "a", key="k")
    system.redis("HSET", system.key("unique"), "k", "vanished")

    assert system.run(upkeep.retry("q", ["a"])) == [1]
    assert system.redis("HGET", system.key("unique"), "k") == b"a"


def test_a_retried_expired_job_does_not_expire_again(system: QueueSystem) -> None:
    system.add("a", fields=("expires", "+10"))
    system.join("w")
    system.clock.advance(10)
    system.trip("w", 1)
    assert system.states("a") == ["dead"]
    system.run(upkeep.retry("q", ["a"]))

    assert [job.id for job in system.trip("w", 1).jobs] == ["a"]


def test_a_dead_job_says_when_and_why(system: QueueSystem) -> None:
    system.add("a")
    system.clock.advance(77)
    system.round(Kind.DISCARDED, text="no such user", line=b'{"reason":"failed"}')

    assert system.score("dead", "a") == START_MS + 77
    stored = system.job("a")
    assert (stored["reason"], stored["error"], stored["finished"]) == ("discarded", "no such user", str(START_MS + 77))
