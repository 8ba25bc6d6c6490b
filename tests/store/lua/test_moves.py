"""Jobs move to another queue: lua/move, transfers, deliver, delivered and acknowledge, and whoever stops in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jqjobs.errors import StoreError
from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.jobs.selector import Selector
from jqjobs.store.bulk import Act, act_on_all
from jqjobs.store.call import Call
from jqjobs.store.calls import cancels, endings, enqueueing, leases, moves, transfers, upkeep, waits
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.calls.deaths import deaths
from jqjobs.store.calls.endings import Ending
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.calls.moves import Moved
from jqjobs.store.calls.transfers import Delivered
from jqjobs.store.calls.upkeep import Deleted
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.reads.queues import queue_status
from jqjobs.store.reads.search import Cursor, search
from jqjobs.store.steps import run_steps
from store.lua.one_job import parked, ready, scheduled
from store.queue_system import LEASE_MS, START_MS, QueueSystem


class Killed(Exception):
    """The mover ends here."""


def move(system: QueueSystem, *ids: str, steps: int = 100, to: str = "b", queue: str = "q") -> list[Moved]:
    """Move jobs; after so many steps the mover is killed."""
    left = iter(range(steps))

    def run(call: Call[Any]) -> Any:
        if next(left, None) is None:
            raise Killed
        return system.run(call)

    return run_steps(run, moves.move_jobs(queue, ids, to))


def deliver_overdue(system: QueueSystem) -> int:
    return run_steps(system.run, deliver_flow("q", 2000))[0]


def everywhere(system: QueueSystem, job_id: str = "a") -> list[str]:
    """The states of a job in both queues."""
    return [f"{queue}:{state}" for queue in ("q", "b") for state in system.states(job_id, queue)]


def dead(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.DISCARDED, text="boom", line=b'{"attempt":1}')


def suspect(system: QueueSystem) -> None:
    system.add("a", fields=("suspect", "1 1"))
    system.redis("ZREM", system.key("ready"), "a")
    system.redis("ZADD", system.key("suspects"), 1, "a")


@pytest.mark.parametrize(
    ("bring", "there"),
    [(ready, "ready"), (scheduled, "scheduled"), (parked, "ready"), (dead, "dead"), (suspect, "suspects")],
)  # fmt: skip
def test_a_moved_job_is_in_the_other_queue_and_nothing_else_is_left(
    system: QueueSystem, bring: Callable[[QueueSystem], None], there: str
) -> None:
    bring(system)
    before, score, history = system.job("a"), system.score(there, "a"), system.history("a")
    assert move(system, "a") == [Moved.MOVED]
    assert everywhere(system) == [f"b:{there}"]
    if there in ("scheduled", "dead"):
        assert system.score(there, "a", "b") == score
    assert system.job("a", "b") == {name: value for name, value in before.items() if name not in ("rank", "refused")}
    assert system.history("a", "b") == history
    assert system.job("a") == {"moved": "b"}
    assert 0 < system.redis("PTTL", system.key("job:a")) <= 86_400_000
    assert system.redis("EXISTS", system.key("transfers"), system.key("unique")) == 0


def test_a_held_job_leaves_its_limit_and_the_next_one_goes(system: QueueSystem) -> None:
    system.add_limited("r", "a", "c", limits=Concurrency(1).text("one"))
    [running] = system.take("w", want=3)
    system.take("w2", want=3)
    assert move(system, "a") == [Moved.MOVED]
    system.settle("w", running, Kind.DONE)
    assert [job.id for job in system.take("w", want=3)] == ["c"]
    assert [job.id for job in system.take("v", queues=("b",))] == ["a"]


def test_what_is_in_hand_waits_or_is_kept_stays(system: QueueSystem) -> None:
    system.add("waits", "kept", "runs", fields=("keep", 5000))
    system.round(Kind.WAITING, number=60_000)
    system.round(Kind.KEPT, number=5000)
    system.take("w")
    assert move(system, "waits", "kept", "runs", "ghost") == [Moved.STAYS, Moved.STAYS, Moved.STAYS, Moved.UNKNOWN]
    assert everywhere(system, "waits") == ["q:waiting"]


def test_where_the_id_is_taken_the_job_stays_in_its_place(system: QueueSystem) -> None:
    system.add("first", "a", "last")
    system.add("a", queue="b")
    assert move(system, "a") == [Moved.ID_TAKEN]
    assert system.ids("ready") == ["first", "a", "last"]
    assert "moving" not in system.job("a")


def test_where_the_key_is_taken_the_job_stays_and_has_its_key(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.add("other", key="k", queue="b")
    assert move(system, "a") == [Moved.KEY_TAKEN]
    assert everywhere(system) == ["q:ready"]
    [again] = system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id="x", key="k")]))
    assert (again.id, again.created) == ("a", False)


def test_a_key_goes_along(system: QueueSystem) -> None:
    system.add("a", key="k")
    move(system, "a")
    assert system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id="x", key="k")]))[0].created
    assert system.run(enqueueing.enqueue("b", [NewJob("n", b"{}", id="y", key="k")]))[0].id == "a"


#: Of the steps add_queues, move, transfers, deliver, delivered, acknowledge.
KILLED_AFTER = {"it has left": 2, "it was read": 3, "it was delivered": 4, "that was noted": 5}


def test_a_key_that_was_given_away_at_the_start_does_not_come_back_by_a_move(system: QueueSystem) -> None:
    system.add("a", key="k", fields=("coalesce", "queued"))
    system.round(Kind.FAILED, 5000, text="boom", line=b'{"attempt":1}')
    assert move(system, "a") == [Moved.MOVED]
    assert everywhere(system) == ["b:scheduled"]
    assert system.run(enqueueing.enqueue("b", [NewJob("n", b"{}", id="y", key="k")]))[0].created


@pytest.mark.parametrize("steps", KILLED_AFTER.values(), ids=KILLED_AFTER.keys())
def test_a_mover_that_is_killed_neither_loses_a_job_nor_doubles_it(system: QueueSystem, steps: int) -> None:
    system.add("a", "z")
    with pytest.raises(Killed):
        move(system, "a", steps=steps)
    ran = system.start_all()  # the queue goes on
    there = [job.id for job in system.take("v", queues=("b",))]  # and a worker may be quicker than the daemon
    for job_id in there:
        assert job_id == "a"
        system.redis("ZREM", system.key("active:v", "b"), "a 1")  # it succeeds
        system.redis("DEL", system.key("job:a", "b"))
    system.clock.advance(2000)
    assert system.tend().undelivered == (1 if steps < 5 else 0)
    deliver_overdue(system)
    there += [job.id for job in system.take("v", queues=("b",))]
    assert (ran, there) == (["z"], ["a"])
    assert system.job("a") == {"moved": "b"}


def test_a_daemon_leaves_to_its_mover_what_left_just_now(system: QueueSystem) -> None:
    system.add("a")
    with pytest.raises(Killed):
        move(system, "a", steps=2)
    system.clock.advance(1999)
    assert (system.tend().undelivered, deliver_overdue(system)) == (0, 0)
    assert everywhere(system) == ["q:transfers"]


def test_what_was_read_long_ago_is_not_delivered(system: QueueSystem) -> None:
    system.add("a")
    with pytest.raises(Killed):
        move(system, "a", steps=2)
    stale = system.run(transfers.transfers("q"))
    deliver_overdue_now(system)
    system.take("v", queues=("b",))
    for ms in (30_001, 60_000, -3_700_000):
        system.clock.advance(ms)
        system.tend("b")
        assert system.run(transfers.deliver("b", "q", stale.now_ms, stale.jobs)) == [Delivered.LATE]


def deliver_overdue_now(system: QueueSystem) -> None:
    assert run_steps(system.run, deliver_flow("q", 0))[0] > 0


def test_what_came_is_remembered_until_its_queue_knows_and_not_for_ever(system: QueueSystem) -> None:
    system.add("a")
    with pytest.raises(Killed):
        move(system, "a", steps=4)
    system.clock.advance(86_400_000)
    system.tend("b")
    assert system.redis("EXISTS", system.key("arrived", "b")) == 1
    deliver_overdue_now(system)
    system.clock.advance(60_001)
    system.tend("b")
    assert system.redis("EXISTS", system.key("arrived", "b")) == 0


@pytest.mark.parametrize(("key", "answer"), [("", Delivered.ID_TAKEN), ("k", Delivered.KEY_TAKEN)])
def test_what_was_refused_is_refused_again_when_its_place_is_free(
    system: QueueSystem, key: str, answer: Delivered
) -> None:
    system.add("a", key=key)
    taken = "x" if key else "a"
    system.add(taken, key=key, queue="b")
    with pytest.raises(Killed):
        move(system, "a", steps=2)
    read_before = system.run(transfers.transfers("q"))
    assert run_steps(system.run, deliver_flow("q", 0))[0] == 1  # another mover: it is back
    system.run(upkeep.delete("b", [taken]))
    assert system.run(transfers.deliver("b", "q", read_before.now_ms, read_before.jobs)) == [answer]
    assert everywhere(system) == ["q:ready"]
    assert move(system, "a") == [Moved.MOVED]
    system.clock.advance(60_001)
    system.tend("b")
    assert system.redis("ZCARD", system.key("arrived", "b")) == 0


def test_while_it_is_on_its_way_a_job_is_seen_and_let_be(system: QueueSystem) -> None:
    system.add("a", key="k")
    with pytest.raises(Killed):
        move(system, "a", steps=2)
    info = system.run(job_or_trace("q", "a"))
    assert isinstance(info, JobInfo)
    assert info.state == "moving"
    assert [row.id for row in system.run(search("q", Selector(), Cursor("moving"))).rows] == ["a"]
    assert system.run(queue_status("q")).moving == 1
    assert system.run(cancels.cancel("q", ["a"])) == [CancelAnswer.MOVING]
    assert system.run(upkeep.delete("q", ["a"])) == [Deleted.IN_HAND]
    assert system.run(waits.resolve("q", "a", "t", error="no")) == "moving"
    assert system.run(endings.job_end("q", "a")).ending is Ending.PENDING
    assert not system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id="a")]))[0].created


def test_who_moves_again_what_a_killed_mover_has_left_brings_it_to_where_it_goes(system: QueueSystem) -> None:
    system.add("a", "c", "d")
    system.add("d", queue="b")
    with pytest.raises(Killed):
        move(system, "a", "c", "d", steps=2)
    assert move(system, "a") == [Moved.MOVED]
    assert move(system, "c", "d", to="third") == [Moved.MOVED_ELSEWHERE, Moved.BACK]
    assert [everywhere(system, job_id) for job_id in "acd"] == [["b:ready"], ["b:ready"], ["q:ready", "b:ready"]]


def test_all_that_a_killed_mover_has_left_can_be_moved_on(system: QueueSystem) -> None:
    system.add("a", "c")
    with pytest.raises(Killed):
        move(system, "a", "c", steps=2)
    answer = run_steps(system.run, act_on_all("q", Selector(state="moving"), Act.MOVE, to="b"))
    assert (answer.done, system.ids("ready", "b")) == (2, ["a", "c"])


@pytest.mark.parametrize("part", ["held:one", "gates", "transfers", "misfits", "meta", "leases"])
@pytest.mark.parametrize("lies", ["held", "ready", "parked"])
def test_a_damaged_key_of_its_own_queue_loses_no_job(real_system: QueueSystem, part: str, lies: str) -> None:
    system = real_system
    system.add_limited("r", "a", "c", limits=Concurrency(1).text("one"))
    [running] = system.take("w", want=3)
    system.take("w2", want=3)
    if lies != "held":
        system.settle("w", running, Kind.DONE)
    if lies == "parked":
        [job] = system.take("w")
        system.settle("w", job, Kind.UNKNOWN)
    assert system.states("a") == [lies]
    system.redis("SET", system.key(part), "x")
    assert move(system, "a") == [Moved.MOVED]
    assert everywhere(system) == ["b:ready"]


def test_hooks_that_are_due_go_along_with_a_dead_job(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"hooks": True}}))
    system.add("a", "c", fields=("expires", "+5"))
    system.add("c", queue="b")
    system.clock.advance(5)
    system.take("w", want=2)
    with pytest.raises(Killed):
        move(system, "a", "c", steps=2)
    assert system.run(deaths("q", ["n"], 9)) == []  # neither here while it is on its way
    deliver_overdue_now(system)
    assert [death.id for death in system.run(deaths("q", ["n"], 9))] == ["c"]  # it was refused
    assert [death.id for death in system.run(deaths("b", ["n"], 9))] == ["a"]
    assert "hooks" not in system.job("a", "b")


def test_what_is_read_at_once_is_bounded_with_its_history(system: QueueSystem) -> None:
    system.add("a", "c")
    for job_id in "ac":
        system.redis("RPUSH", system.key(f"job:{job_id}:history"), "x" * 1_100_000)
    with pytest.raises(Killed):
        move(system, "a", "c", steps=2)
    assert [job.id for job in system.run(transfers.transfers("q")).jobs] == ["a"]
    assert move(system, "a", "c") == [Moved.MOVED, Moved.MOVED]


def test_where_one_queue_takes_nothing_another_one_gets_its_own(real_system: QueueSystem) -> None:
    system = real_system
    system.add("a", "c")
    for job_id, to in (("a", "b"), ("c", "third")):
        with pytest.raises(Killed):
            move(system, job_id, steps=2, to=to)

    def run(call: Call[Any]) -> Any:
        if call.script.name == "deliver" and "{b}" in call.keys[0]:
            raise StoreError("it is away")
        return system.run(call)

    with pytest.raises(StoreError, match="it is away"):
        run_steps(run, deliver_flow("q", 0))
    assert [everywhere(system), system.ids("ready", "third")] == [["q:transfers"], ["c"]]


def test_the_old_id_leads_to_the_new_queue_and_is_taken_for_a_day(system: QueueSystem) -> None:
    system.add("a")
    move(system, "a")
    assert system.run(job_or_trace("q", "a")) == Trace(False, 0, "b")
    assert system.run(endings.job_end("q", "a")).moved_to == "b"
    assert not system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id="a")]))[0].created
    assert system.run(upkeep.delete("q", ["a"])) == [Deleted.UNKNOWN]
    assert move(system, "a") == [Moved.UNKNOWN]


def test_a_job_that_comes_back_takes_the_place_of_its_forward(system: QueueSystem) -> None:
    system.add("a")
    move(system, "a")
    assert move(system, "a", queue="b", to="q") == [Moved.MOVED]
    assert everywhere(system) == ["q:ready"]
    assert system.redis("PTTL", system.key("job:a")) == -1


def test_who_waits_for_a_job_that_is_moved_is_told_to_look_again(real_system: QueueSystem) -> None:
    system = real_system
    system.add("a")
    system.run(endings.job_end("q", "a"))
    with endings.subscribe(system.store.address, "{q}:over:a") as subscription:
        move(system, "a")
        subscription.wait(5)
        assert system.run(endings.job_end("q", "a")).ending is Ending.MOVED
    assert "awaited" not in system.job("a", "b")


def test_a_full_redis_moves_jobs(real_system: QueueSystem) -> None:
    real_system.add("a")
    real_system.run(upkeep.add_queues(["b"]))
    real_system.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        calls = moves.move_jobs("q", ["a"], "b")
        next(calls)  # that the queue is known may wait
        run_rest = real_system.run(moves.move("q", "b", ["a"]))
        assert run_rest == [moves.Sent.MOVING]
        deliver_overdue_now(real_system)
    finally:
        real_system.redis("CONFIG", "SET", "maxmemory", 0)
    assert everywhere(real_system) == ["b:ready"]


@pytest.mark.parametrize("part", ["ready", "unique", "meta", "arrived", "wake", "leases"])
def test_a_damaged_key_of_the_other_queue_loses_no_job(real_system: QueueSystem, part: str) -> None:
    system = real_system
    system.add("a", key="k")
    system.redis("SET", system.key(part, "b"), "x")
    assert move(system, "a") == [Moved.MOVED]
    assert everywhere(system) == ["b:ready"]


@pytest.mark.parametrize("value", ["", "x", "1-1 b ready", "5m"])
def test_a_job_that_says_no_longer_where_it_goes_is_dead(system: QueueSystem, value: str) -> None:
    system.add("a", "z")
    with pytest.raises(Killed):
        move(system, "a", steps=2)
    system.redis("HSET", system.key("job:a"), "moving", value)
    system.clock.advance(2000)
    system.tend()
    assert everywhere(system) == ["q:dead"]
    assert (system.job("a")["reason"], system.clock.now_ms) == ("damaged", START_MS + 2000)


def test_who_may_not_read_the_history_of_a_job_leaves_it_to_others_and_takes_along_what_has_none(
    real_system: QueueSystem,
) -> None:
    real_system.add("old")
    real_system.round(Kind.DISCARDED)
    real_system.add("new")
    real_system.run(moves.move("q", "other", ["old", "new"]))
    rights = ("reader", "on", ">secret", "~*", "&*", "+@all", "-lrange")
    limited = QueueSystem(real_system.url, real_system.kind, rights, real_system.clock)
    assert [job.id for job in limited.run(transfers.transfers("q")).jobs] == ["new"]
    assert [job.id for job in real_system.run(transfers.transfers("q")).jobs] == ["new", "old"]
    came_of = run_steps(limited.run, moves.move_jobs("q", ["old", "new", "none"], "other"))
    assert came_of == [moves.Moved.MOVING, moves.Moved.MOVED, moves.Moved.UNKNOWN]
    limited.close()
