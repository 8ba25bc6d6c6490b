"""Batches: which members are open, which are dead, and what is called when all have ended, in one queue and across."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, written
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls import batches, cancels, flows, leases, moves, telling, upkeep
from jqjobs.store.calls.batches import Closed, Opened
from jqjobs.store.calls.waits import resolve
from jqjobs.store.steps import run_steps
from store.queue_system import QueueSystem, outcome


def open_batch(system: QueueSystem, on_dead: OnDead = OnDead.WAIT, home: str = "q") -> None:
    """Open a batch "b" that calls "done" when all have succeeded, and "over" when all have ended."""
    call = batches.open_batch(home, "b", "nonce", on_dead, 1000, written([step("done")]), written([step("over")]))
    assert system.run(call) is Opened.OPEN


def step(name: str, **more: Any) -> bytes:
    return json.dumps({"job": name} | more).encode()


def add(system: QueueSystem, *ids: str, queue: str = "q", home: str = "q", more: str = "") -> None:
    system.add(*ids, queue=queue, fields=("flow", "b", "batch", f"{more}{home}/b", "max_attempts", 1))


def close(system: QueueSystem, count: int, home: str = "q") -> None:
    assert system.run(batches.close_batch(home, "b", count)) is Closed.DONE


def status(system: QueueSystem, home: str = "q") -> BatchStatus:
    found = system.run(batches.batch_status(home, "b"))
    assert isinstance(found, BatchStatus)
    return found


def tell(system: QueueSystem, *queues: str) -> None:
    """Take along what left these queues."""
    for queue in queues or ("q",):
        run_steps(system.run, flows.deliver_flow(queue))


def called(system: QueueSystem, home: str = "q") -> list[str]:
    """Which callbacks there are, in the order in which they began."""
    return [job_id.removeprefix("b.") for job_id in system.ids("ready", home) if job_id.startswith("b.")]


def end(system: QueueSystem, kind: Kind = Kind.DONE, number: int = 0, queue: str = "q") -> str:
    """Take the first job and end it."""
    [job] = system.take(f"w{queue}", queues=(queue,))
    assert system.trip(f"w{queue}", 0, [outcome(job, kind, number)], queues=(queue,)).stale == ()
    return job.id


def test_what_is_to_come_comes_once_when_the_last_member_has_succeeded(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a1", "a2")
    end(system)
    assert (status(system).state, status(system).open) == (BatchState.OPEN, 1)
    close(system, 2)
    assert (status(system).state, called(system)) == (BatchState.RUNNING, [])

    end(system)

    assert called(system) == ["always", "then"]
    assert (status(system).state, status(system).succeeded, status(system).open) == (BatchState.SUCCEEDED, 2, 0)
    assert system.job("b.then")["previous"] == '{"batch":"q/b","succeeded":2,"dead":0}'


def test_all_dead_members_are_sent_back_wherever_they_are_but_one_whose_key_is_taken(system: QueueSystem) -> None:
    open_batch(system)
    add(system, *(f"a{n}" for n in range(300)))
    add(system, "far", queue="other")
    system.add("k", key="key", fields=("flow", "b", "batch", "q/b", "max_attempts", 1))
    close(system, 302)
    for queue in ("q", "other"):
        while jobs := system.take(f"w{queue}", 400, queues=(queue,)):  # a trip takes some of them
            system.trip(f"w{queue}", 0, [outcome(job, Kind.DISCARDED) for job in jobs], queues=(queue,))
    tell(system, "other")
    system.add("newer", key="key")
    assert status(system).dead == 302

    answer = run_steps(system.run, flows.retrying("q", "b"))

    assert answer == (Closed.DONE, 301, 1)
    assert (status(system).state, status(system).open, status(system).dead) == (BatchState.RUNNING, 301, 1)
    assert system.ids("dead") == ["k"]


def test_who_sends_dead_members_back_tells_of_them_for_a_second(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notices are told by 200."""
    open_batch(system)
    add(system, *(f"a{n}" for n in range(250)), queue="other")
    while jobs := system.take("w", 400, queues=("other",)):
        system.trip("w", 0, [outcome(job, Kind.DISCARDED) for job in jobs], queues=("other",))
    tell(system, "other")
    monkeypatch.setattr(flows, "_GOES_ON_FOR_S", 0.0)

    assert run_steps(system.run, flows.retrying("q", "b")).retried == 250
    assert len(system.ids("notices", "other")) == 50


@pytest.mark.parametrize("queue", ["q", "other"])
def test_a_batch_says_of_a_callback_whose_id_another_job_has_that_it_was_rejected(
    system: QueueSystem, queue: str
) -> None:  # fmt: skip
    system.add("b.then", queue=queue)
    then, always = written([step("done", queue=queue)]), written([step("over")])
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 1000, then, always))
    close(system, 0)
    tell(system)

    record = system.run(batches.batch_record("q", "b"))
    assert (record.status.state, record.rejected) == (BatchState.SUCCEEDED, ("then",))
    assert system.rejected() == [("id_taken: there is a b.then already", step("done", queue=queue))]


def test_an_empty_batch_is_over_when_it_is_closed(system: QueueSystem) -> None:
    open_batch(system)
    close(system, 0)

    assert called(system) == ["always", "then"]


def crashes(system: QueueSystem) -> None:
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "crashed")]))


def succeeds_unreported(system: QueueSystem) -> None:
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "succeeded")]))


def is_cancelled(system: QueueSystem) -> None:
    system.run(cancels.cancel("q", ["a"]))


def is_cancelled_in_hand(system: QueueSystem) -> None:
    [job] = system.take("w")
    system.run(cancels.cancel("q", ["a"]))
    system.settle("w", job, Kind.FAILED)


def look(system: QueueSystem) -> None:
    """Take, where what is ready cannot be taken; what has come instead goes back."""
    for job in system.take("w"):
        system.settle("w", job, Kind.RELEASED)


def expires(system: QueueSystem) -> None:
    system.redis("HSET", system.key("job:a"), "expires", system.clock.now_ms)
    look(system)


def is_damaged(system: QueueSystem) -> None:
    system.redis("HSET", system.key("job:a"), "timeout", "soon")
    look(system)


def is_killed_for_its_time(system: QueueSystem) -> None:
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "hung")]))


def is_deleted(system: QueueSystem) -> None:
    system.run(upkeep.delete("q", ["a"]))


def is_malformed(system: QueueSystem) -> None:
    end(system, Kind.MALFORMED)


def is_forgotten(system: QueueSystem) -> None:
    end(system, Kind.FAILED)
    system.tend(max_dead=0)


def is_deleted_when_dead(system: QueueSystem) -> None:
    end(system, Kind.DISCARDED)
    system.run(upkeep.delete("q", ["a"]))


def answers_in_time(system: QueueSystem) -> None:
    end(system, Kind.WAITING, 1000)
    system.redis("HSET", system.key("job:a"), "keep", 5)
    system.run(resolve("q", "a", "", result=b"1"))


def is_moved_and_dies(system: QueueSystem) -> None:
    run_steps(system.run, moves.move_jobs("q", ["a"], "other"))
    end(system, Kind.FAILED, queue="other")
    assert status(system).open == 1
    tell(system, "other")


WAYS: dict[Callable[[QueueSystem], None], tuple[BatchState, list[str]]] = {
    lambda system: end(system) and None: (BatchState.SUCCEEDED, ["always", "then"]),
    lambda system: end(system, Kind.KEPT, 5) and None: (BatchState.SUCCEEDED, ["always", "then"]),
    succeeds_unreported: (BatchState.SUCCEEDED, ["always", "then"]),
    answers_in_time: (BatchState.SUCCEEDED, ["always", "then"]),
    lambda system: end(system, Kind.FAILED) and None: (BatchState.WAITING, ["always"]),
    lambda system: end(system, Kind.OVERSIZED) and None: (BatchState.WAITING, ["always"]),
    is_cancelled: (BatchState.WAITING, ["always"]),
    is_cancelled_in_hand: (BatchState.WAITING, ["always"]),
    expires: (BatchState.WAITING, ["always"]),
    is_damaged: (BatchState.WAITING, ["always"]),
    is_killed_for_its_time: (BatchState.WAITING, ["always"]),
    is_moved_and_dies: (BatchState.WAITING, ["always"]),
    is_deleted: (BatchState.FAILED, ["always"]),
    is_malformed: (BatchState.FAILED, ["always"]),
    is_forgotten: (BatchState.FAILED, ["always"]),
    is_deleted_when_dead: (BatchState.FAILED, ["always"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_counts(system: QueueSystem, way: Callable[[QueueSystem], None]) -> None:
    open_batch(system)
    add(system, "a")
    close(system, 1)

    way(system)

    assert (status(system).state, called(system)) == WAYS[way]


def test_a_dead_member_that_is_retried_opens_the_batch_again(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a")
    close(system, 1)
    end(system, Kind.FAILED)
    system.run(upkeep.retry("q", ["a"]))
    assert (status(system).open, status(system).dead) == (1, 0)

    end(system)  # what was called first
    end(system)

    assert (status(system).state, called(system)) == (BatchState.SUCCEEDED, ["then"])


@pytest.mark.parametrize(
    ("on_dead", "state", "left"),
    [(OnDead.GO, BatchState.SUCCEEDED, ["always", "then"]), (OnDead.CANCEL, BatchState.FAILED, ["always"])],
)
def test_a_batch_goes_on_or_cancels_the_others_when_a_member_is_dead(
    system: QueueSystem, on_dead: OnDead, state: BatchState, left: list[str]
) -> None:
    open_batch(system, on_dead)
    add(system, "a1", "a2")
    close(system, 2)
    end(system, Kind.FAILED)
    tell(system)
    if on_dead is OnDead.GO:
        end(system)

    assert (status(system).state, called(system)) == (state, left)
    assert system.states("a2") == (["dead"] if on_dead is OnDead.CANCEL else [])


def test_a_cancelled_batch_cancels_its_members_wherever_they_are(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a")
    add(system, "far", queue="other")
    tell(system, "other")
    system.run(batches.cancel_batch("q", "b"))

    tell(system, "q")
    tell(system, "other")

    assert (system.states("a"), system.states("far", "other")) == (["dead"], ["dead"])
    assert (status(system).state, called(system)) == (BatchState.CANCELLED, ["always"])
    assert system.ids("notices") == system.ids("notices", "other") == []


def test_who_cancels_a_batch_has_it_hear_of_the_members_in_other_queues(system: QueueSystem) -> None:
    open_batch(system)
    add(system, *(f"far{n}" for n in range(250)), queue="other")
    close(system, 250)
    while system.run(telling.notices("other")):
        tell(system, "other")

    assert run_steps(system.run, flows.cancelling("q", "b")) is Closed.DONE

    assert (status(system).state, status(system).dead, called(system)) == (BatchState.CANCELLED, 250, ["always"])
    assert system.ids("notices") == system.ids("notices", "other") == []


@pytest.mark.parametrize("is_chain", [True, False])
def test_a_cancelled_batch_finds_a_member_at_its_later_step_and_in_the_queue_it_was_moved_to(
    system: QueueSystem, is_chain: bool
) -> None:
    open_batch(system)
    if is_chain:
        steps = written([step("n"), step("n", queue="other"), step("n")])
        system.add("a", fields=("flow", "tb", "then", steps, "batch", "q/b"))
        end(system)
        end(system)
    else:
        add(system, "a")
        run_steps(system.run, moves.move_jobs("q", ["a"], "third"))
        run_steps(system.run, moves.move_jobs("third", ["a"], "other"))
    tell(system, "q", "third", "other")
    place = "other/a.3" if is_chain else "other/a"
    assert system.run(batches.batch_members("q", "b", "open")) == (None, ["q/a"], [place])

    system.run(batches.cancel_batch("q", "b"))
    tell(system, "q", "other")

    assert system.ids("dead", "other") == [place.partition("/")[2]]
    assert (status(system).state, status(system).open, status(system).dead) == (BatchState.CANCELLED, 0, 1)


def test_who_brings_a_member_to_another_queue_tells_its_batch_where_it_is(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a")
    run_steps(system.run, moves.move_jobs("q", ["a"], "other"))
    assert system.run(batches.batch_members("q", "b", "open")) == (None, ["q/a"], ["other/a"])


def test_a_member_that_comes_while_the_others_are_cancelled_is_cancelled_too(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a1", "a2")
    system.run(batches.cancel_batch("q", "b"))
    told = system.run(telling.notices("q"))
    system.run(cancels.cancel("q", ["a1"]))
    add(system, "late")
    system.run(telling.noticed("q", told))

    tell(system)

    assert (system.states("late"), system.ids("notices")) == (["dead"], [])


def test_a_member_of_which_a_cancelled_batch_hears_when_it_is_over_is_cancelled_and_may_be_retried(
    system: QueueSystem,
) -> None:
    open_batch(system)
    add(system, "far", queue="other")
    system.run(batches.cancel_batch("q", "b"))
    assert status(system).state is BatchState.CANCELLED

    tell(system, "other", "q")
    assert (system.states("far", "other"), status(system).open) == (["dead"], 0)
    system.run(upkeep.retry("other", ["far"]))
    tell(system, "other", "q")

    assert (system.states("far", "other"), status(system).open) == (["ready"], 0)


def test_members_of_another_queue_are_told_of_late_twice_and_in_any_order(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a", queue="other")
    add(system, "a1")
    end(system, Kind.FAILED, queue="other")
    system.run(upkeep.retry("other", ["a"]))
    end(system, queue="other")
    told = system.run(telling.notices("other"))
    assert [notice.split(" ")[-1] for notice in told] == ["add", "dead", "again", "done"]
    end(system)

    for notice in (*told, *reversed(told)):
        system.run(telling.notify("q", [notice]))
    close(system, 2)

    assert (status(system).state, status(system).total, called(system)) == (BatchState.SUCCEEDED, 2, ["always", "then"])


def test_what_a_member_adds_is_waited_for_and_not_counted(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a")
    close(system, 2)
    add(system, "inner", more="+")

    assert (status(system).open, status(system).total) == (2, 1)


def test_envelopes_open_fill_and_close_a_batch_in_any_order(system: QueueSystem) -> None:
    system.push({"job": "n", "id": "far", "batch": "q/b"}, queue="other")
    system.ingest("other")
    end(system, queue="other")
    tell(system, "other")  # the end overtakes all there is of the batch
    system.push({"job": "n", "id": "a", "batch": "q/b"}, {"close": "q/b", "count": 2})
    system.push({"open": "q/b", "then": [json.dumps({"job": "done"})], "on_dead": "go", "keep_ms": 5})
    assert system.ingest() == (3, 0, 0, 0)

    end(system)

    assert (status(system).state, called(system)) == (BatchState.SUCCEEDED, ["then"])


def test_a_batch_is_forgotten_some_time_after_it_was_over(system: QueueSystem) -> None:
    open_batch(system)
    close(system, 0)
    system.clock.advance(1000)
    system.tend()

    assert status(system).state is BatchState.UNKNOWN
    assert [key for key in system.redis("KEYS", "*") if b"batch" in key] == []


def test_a_batch_is_opened_once_and_closed_once(system: QueueSystem) -> None:
    open_batch(system)
    open_batch(system)
    assert system.run(batches.open_batch("q", "b", "another", OnDead.GO, 1)) is Opened.TAKEN
    assert system.run(batches.close_batch("q", "none", 1)) is Closed.UNKNOWN
    close(system, 1)
    assert system.run(batches.close_batch("q", "b", 2)) is Closed.TOO_LATE


def test_members_are_cancelled_soon_although_others_end_all_the_time(system: QueueSystem) -> None:
    open_batch(system, OnDead.CANCEL)
    add(system, "a1", "a2", "a3")
    end(system, Kind.FAILED)
    system.clock.advance(1500)
    end(system)
    system.clock.advance(1500)

    assert system.run(telling.notices("q", 2000)) == ["~cancel b 0"]


def test_what_a_batch_on_a_node_that_is_down_is_to_hear_keeps_no_other_from_hearing(system: QueueSystem) -> None:
    for home in ("down", "home"):
        open_batch(system, home=home)
    for number in range(5):
        system.add(*(f"{number}-{i}" for i in range(50)), fields=("flow", "b", "batch", "down/b"))
    system.clock.advance(1)
    add(system, "last", home="home")

    def run(call: Call[Any]) -> Any:
        if call.keys[0] == keys.meta("down"):
            raise StoreUnavailable("it is down")
        return system.run(call)

    with pytest.raises(StoreUnavailable, match="it is down"):
        run_steps(run, telling.Telling("q").go_through(0))
    assert (status(system, "home").open, len(system.ids("notices"))) == (1, 250)


def test_members_are_cancelled_though_one_of_them_is_on_a_node_that_is_down(system: QueueSystem) -> None:
    open_batch(system)
    for queue in ("a-down", "other"):
        add(system, queue, queue=queue)
        tell(system, queue)

    def run(call: Call[Any]) -> Any:
        if call.keys[0] == keys.meta("a-down"):
            raise StoreUnavailable("it is down")
        return system.run(call)

    with pytest.raises(StoreUnavailable, match="it is down"):
        run_steps(run, flows.cancelling("q", "b"))
    assert system.states("other", "other") == ["dead"]
    system.run(batches.open_batch("q", "c", "nonce", OnDead.WAIT, 1000))
    system.add("of-c", fields=("flow", "b", "batch", "q/c"))
    with pytest.raises(StoreUnavailable, match="it is down"):
        run_steps(run, flows.cancelling("q", "c"))
    assert (system.states("of-c"), system.ids("notices")) == (["dead"], ["~cancel b 0"])
    tell(system)
    assert system.states("a-down", "a-down") == ["dead"]


@pytest.mark.parametrize(("until_s", "asked"), [(0.0, 1), (math.inf, 2)], ids=["one failure", "one of each place"])
def test_a_place_that_is_down_is_asked_once_however_many_members_are_there(
    system: QueueSystem, until_s: float, asked: int
) -> None:
    """A batch has pages of 200 members."""
    open_batch(system)
    for queue in ("down-1", "down-2"):
        add(system, *(f"{queue}-{number}" for number in range(250)), queue=queue)
        while system.run(telling.notices(queue)):
            tell(system, queue)
    system.run(batches.cancel_batch("q", "b"))
    failed = list[str]()

    def run(call: Call[Any]) -> Any:
        if "down" in call.keys[0]:
            failed.append(call.keys[0])
            raise StoreUnavailable("it is down")
        return system.run(call)

    with pytest.raises(StoreUnavailable, match="it is down"):
        run_steps(run, flows.deliver_flow("q", 0, until_s))
    assert len(failed) == asked


def test_once_the_time_is_over_members_of_one_batch_are_cancelled_at_a_time_and_others_hear_of_theirs(
    system: QueueSystem,
) -> None:
    """A batch has pages of 200 members."""
    open_batch(system, home="home")
    add(system, "of-home", home="home")
    for name in ("c", "d"):
        system.run(batches.open_batch("q", name, "nonce", OnDead.WAIT, 1000))
        system.add(*(f"{name}{number}" for number in range(300)), fields=("flow", "b", "batch", f"q/{name}"))
        system.run(batches.cancel_batch("q", name))

    run_steps(system.run, flows.deliver_flow("q", 0, 0.0))
    assert {job_id[0] for job_id in system.ids("dead")} == {"c"}
    assert status(system, "home").open == 1
    while run_steps(system.run, flows.deliver_flow("q", 0, 0.0))[1]:
        continue
    assert (len(system.ids("dead")), system.ids("notices")) == (600, [])


def test_what_is_to_be_told_since_before_the_clock_went_back_is_not_forgotten(system: QueueSystem) -> None:
    add(system, "far", queue="other")
    system.clock.advance(-3_600_000)

    assert system.tend("other").undelivered == 1


def test_a_member_that_comes_home_before_anybody_has_told_of_it_is_not_waited_for_twice(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a", queue="other")
    run_steps(system.run, moves.move_jobs("other", ["a"], "q"))
    end(system)

    tell(system, "other")

    assert (status(system).total, status(system).open, status(system).succeeded) == (1, 0, 1)


def test_the_end_of_a_batch_that_nobody_opens_is_forgotten(system: QueueSystem) -> None:
    system.push({"close": "q/b", "count": 1})
    assert system.ingest() == (1, 0, 0, 0)
    system.clock.advance(8 * 86_400_000)
    system.tend()

    assert [key for key in system.redis("KEYS", "*") if b"batch" in key] == []


@pytest.mark.parametrize("damaged", [False, True])
def test_members_that_cannot_be_cancelled_now_keep_none_behind_them_waiting(
    system: QueueSystem, damaged: bool
) -> None:  # fmt: skip
    for n in range(201):
        batch_id, member = f"b{n:03}", f"m{n:03}"
        system.run(batches.open_batch("q", batch_id, "nonce", OnDead.WAIT, 1000))
        system.add(member, fields=("flow", "b", "batch", f"q/{batch_id}"))
        if n < 200:
            system.run(moves.move("q", "other", [member]))
        system.run(batches.cancel_batch("q", batch_id))
        if n < 200 and damaged:
            system.redis("SET", system.key(f"batch:{batch_id}:open"), "x")
    for _ in "ab":  # one round, and the next
        with suppress(StoreError):
            run_steps(system.run, telling.Telling("q").go_through(0))
    assert system.states("m200") == ["dead"]


def test_a_damaged_batch_keeps_no_other_from_hearing(system: QueueSystem) -> None:
    open_batch(system, home="home")
    add(system, "good", queue="other", home="home")
    system.redis("SET", system.key("batch:c", "home"), "x")
    told = ["home/c q/x 1 add", *system.run(telling.notices("other"))]

    assert not system.run(telling.notify("home", told))
    assert status(system, "home").open == 1


def test_a_dead_member_of_a_damaged_batch_is_forgotten_all_the_same(system: QueueSystem) -> None:
    open_batch(system)
    add(system, "a")
    end(system, Kind.FAILED)
    system.redis("SET", system.key("batch:b"), "x")
    system.run(upkeep.housekeep("q", 30_000, 0, 1000))

    assert system.states("a") == []


@pytest.mark.parametrize("more", [("flow", "b", "batch", "q/b"), ("flow", "t", "then", written([step("n")]))])
def test_a_call_with_a_batch_or_a_successor_replaces_none(system: QueueSystem, more: tuple[str, ...]) -> None:
    """What one job is waited for by would be lost, or never hear of the other."""
    open_batch(system)
    system.add("a", key="k", fields=("flow", "b", "batch", "q/b"))
    close(system, 1)
    [made] = system.add("other", key="k", replace=True, fields=more)

    assert (made.id, made.created, made.replaced) == ("a", False, False)
    end(system)
    assert status(system).state is BatchState.SUCCEEDED
