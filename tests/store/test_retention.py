"""What stays after the end: kept results, dead jobs, and their way back to ready."""

from __future__ import annotations

from jqjobs.job import Kind
from jqjobs.store import calls
from store.rig import START_MS, Rig, outcome


def kill_off(rig: Rig, *ids: str, **job: object) -> None:
    """Make dead jobs, one millisecond apart."""
    for job_id in ids:
        rig.add(job_id, priority=100, **job)
        rig.round(Kind.DISCARDED)
        rig.clock.advance(1)


def test_a_kept_job_is_forgotten_with_its_history_when_its_time_is_over(rig: Rig) -> None:
    rig.add("a", fields=("max_attempts", 5))
    rig.round(Kind.FAILED)
    rig.round(Kind.KEPT, 100)
    rig.clock.advance(99)
    rig.tend()
    assert rig.states("a") == ["kept"]
    rig.clock.advance(1)
    rig.tend()

    assert rig.states("a") == []
    assert rig.redis("KEYS", rig.key("job:*")) == []


def test_forgetting_an_old_job_leaves_the_key_to_the_job_that_has_it_now(rig: Rig) -> None:
    rig.add("old", key="k")
    rig.round(Kind.KEPT, 100)
    rig.add("new", key="k")
    rig.clock.advance(100)
    rig.tend()

    assert rig.add("newer", key="k")[0].id == "new"


def test_dead_jobs_are_bounded_by_age(rig: Rig) -> None:
    kill_off(rig, "a", "b", "c")
    rig.tend(dead_ms=2)

    assert rig.ids("dead") == ["c"]
    assert sorted(rig.redis("KEYS", rig.key("job:*"))) == [b"jq:{q}:job:c", b"jq:{q}:job:c:history"]


def test_dead_jobs_are_bounded_by_count_the_oldest_go_first(rig: Rig) -> None:
    kill_off(rig, "a", "b", "c", "d")
    rig.tend(max_dead=3)
    assert rig.ids("dead") == ["b", "c", "d"]
    rig.tend(max_dead=0)

    assert rig.ids("dead") == []
    assert rig.redis("KEYS", rig.key("job:*")) == []


def test_retention_is_done_in_bounded_rounds(rig: Rig) -> None:
    ids = [f"j{i:03}" for i in range(250)]
    rig.add(*ids)
    jobs = rig.take("w", 500)
    rig.trip("w", 0, [outcome(job, Kind.DISCARDED) for job in jobs])
    rounds = []
    while rig.tend(max_dead=10).more:
        rounds.append(len(rig.ids("dead")))

    assert rounds == [150, 50]
    assert len(rig.ids("dead")) == 10


def test_a_retried_job_is_ready_behind_those_already_there(rig: Rig) -> None:
    kill_off(rig, "a")
    rig.add("b", priority=100)
    assert rig.run(calls.retry("q", ["a"])) == [1]

    assert rig.ids("ready") == ["b", "a"]
    assert rig.states("a") == ["ready"]
    stored = rig.job("a")
    assert not {"reason", "finished", "expires"} & stored.keys()


def test_the_counters_stay_but_every_limit_starts_anew(rig: Rig) -> None:
    rig.add("a", fields=("max_attempts", 2, "max_crashes", 2))
    for _ in range(2):
        rig.round(Kind.FAILED)
    assert rig.states("a") == ["dead"]
    rig.run(calls.retry("q", ["a"]))
    rig.round(Kind.FAILED)
    assert rig.states("a") == ["ready"]
    rig.round(Kind.FAILED)

    assert rig.states("a") == ["dead"]
    assert rig.counters("a") == {"failures": 4, "executions": 4}


def test_crashes_and_interrupts_are_forgiven_too(rig: Rig) -> None:
    rig.add("a", fields=("max_crashes", 1))
    for n in range(1, 4):
        rig.take(f"w{n}")
        rig.run(calls.leave("q", f"w{n}", "crash", "killed", [calls.BoardEntry("a", n, "running")]))
        assert rig.states("a") == ["dead"]
        assert rig.run(calls.retry("q", ["a"])) == [1]
    for n in range(1, 21):
        assert rig.states("a") == ["ready"], n
        rig.round(Kind.INTERRUPTED)
    assert rig.states("a") == ["dead"]
    rig.run(calls.retry("q", ["a"]))
    rig.round(Kind.INTERRUPTED)

    assert rig.states("a") == ["ready"]
    assert rig.counters("a") == {"crashes": 3, "interrupts": 21, "executions": 24}


def test_only_dead_jobs_are_retried(rig: Rig) -> None:
    rig.add("ready", "held")
    rig.add("later", due="+50")
    kill_off(rig, "a")
    before = rig.score("ready", "ready")

    assert rig.run(calls.retry("q", ["ready", "later", "ghost", "a", "a"])) == [0, 0, 0, 1, 0]
    assert rig.score("ready", "ready") == before
    assert rig.states("later") == ["scheduled"]
    assert rig.states("ghost") == []


def test_a_retry_takes_its_coalescing_key_back_or_is_refused(rig: Rig) -> None:
    kill_off(rig, "a", key="k")
    rig.add("b", key="k")
    assert rig.run(calls.retry("q", ["a"])) == [-1]
    assert rig.states("a") == ["dead"]
    rig.round(Kind.DONE)
    assert rig.run(calls.retry("q", ["a"])) == [1]

    assert rig.add("c", key="k")[0].id == "a"


def test_a_retry_is_not_refused_for_a_key_whose_job_is_gone(rig: Rig) -> None:
    kill_off(rig, "a", key="k")
    rig.redis("HSET", rig.key("unique"), "k", "vanished")

    assert rig.run(calls.retry("q", ["a"])) == [1]
    assert rig.redis("HGET", rig.key("unique"), "k") == b"a"


def test_a_retried_expired_job_does_not_expire_again(rig: Rig) -> None:
    rig.add("a", fields=("expires", "+10"))
    rig.join("w")
    rig.clock.advance(10)
    rig.trip("w", 1)
    assert rig.states("a") == ["dead"]
    rig.run(calls.retry("q", ["a"]))

    assert [job.id for job in rig.trip("w", 1).jobs] == ["a"]


def test_a_dead_job_says_when_and_why(rig: Rig) -> None:
    rig.add("a")
    rig.clock.advance(77)
    rig.round(Kind.DISCARDED, text="no such user", line=b'{"reason":"failed"}')

    assert rig.score("dead", "a") == START_MS + 77
    stored = rig.job("a")
    assert (stored["reason"], stored["error"], stored["finished"]) == ("discarded", "no such user", str(START_MS + 77))
