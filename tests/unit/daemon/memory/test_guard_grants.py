"""Jobs that say what they need: now, later or never, and nobody is promised what another one was."""

from __future__ import annotations

import pytest

from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import Stage
from unit.daemon.memory.memory_host import RESERVE_MIB, TOTAL_MIB, Host
from unit.link.boards import worker_side

MIB = 1 << 20


def test_a_job_for_which_there_is_room_may_start_now(host: Host) -> None:
    worker = host.start_worker("a")
    host.set_memory(300)
    assert host.grant(worker, "job", 300)["answer"] == "granted"


def test_a_job_for_which_there_is_no_room_now_comes_later(host: Host) -> None:
    worker = host.start_worker("a")
    host.set_memory(300)
    assert host.grant(worker, "job", 301)["answer"] == "later"


def test_a_job_that_this_machine_can_never_hold_is_told_how_much_it_could(host: Host) -> None:
    worker = host.start_worker("a", 40)
    most_mib = TOTAL_MIB - RESERVE_MIB - 40
    assert host.grant(worker, "job", most_mib)["answer"] == "later"
    assert host.grant(worker, "job", most_mib + 1) == {
        "job": "job", "answer": "never", "most_bytes": most_mib * MIB,
    }  # fmt: skip


def test_two_workers_are_not_promised_the_same_bytes(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(300)
    assert host.grant(a, "one", 200)["answer"] == "granted"
    assert host.grant(b, "two", 200)["answer"] == "later"
    assert host.grant(b, "small", 100)["answer"] == "granted"


def test_a_promise_shrinks_by_what_its_job_has_taken_so_that_it_is_not_counted_twice(host: Host) -> None:
    a, b = host.start_worker("a", 40), host.start_worker("b", 40)
    host.set_memory(300)
    host.grant(a, "one", 200)
    host.set_memory(150, a=190)  # it has taken 150 of them
    host.turn()
    assert (a.allowance_mib, b.allowance_mib) == (240, 90)
    host.set_memory(250, a=30)  # it has begun by giving back what it did not need
    host.turn()
    assert b.allowance_mib == 40 + 25
    host.set_memory(50, a=290)  # and more than it said
    host.turn()
    assert (a.allowance_mib, b.allowance_mib) == (315, 65)


def test_a_promise_ends_with_its_job(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(300)
    host.grant(a, "one", 200)
    a.finish()
    assert host.grant(b, "two", 300)["answer"] == "granted"


def test_promises_to_jobs_side_by_side_in_one_worker_add_up_and_end_one_by_one(host: Host) -> None:
    a, b = host.start_worker("a", 40), host.start_worker("b", 40)
    host.set_memory(300)
    host.grant(a, "one", 150)
    one = next(entry for entry in a.board.running() if entry.id == "one")
    two = TakenJob("q", "two", 1, "name", b"")
    worker_side(a.board).add([two])
    worker_side(a.board).mark(two.place, Stage.RUNNING, 1)
    host.guard.grant(a, "two", 100 * MIB)  # type: ignore[arg-type]
    host.turn()
    assert b.allowance_mib == 40 + 25
    host.set_memory(200, a=140)  # they have taken 100 of it
    host.turn()
    assert b.allowance_mib == 40 + 25
    worker_side(a.board).mark(one.place, Stage.SUCCEEDED, 2)
    host.turn()
    assert b.allowance_mib == 40 + 100


def test_a_promise_ends_with_its_worker(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(300)
    host.grant(a, "one", 200)
    host.end(a)
    assert host.grant(b, "two", 300)["answer"] == "granted"
    assert set(host.guard._known) == {"b"}, "nothing is kept of the dead"


def test_the_next_attempt_of_a_job_is_not_in_the_way_of_itself(host: Host) -> None:
    worker = host.start_worker("a")
    host.set_memory(300)
    for _ in range(2):
        assert host.grant(worker, "job", 200)["answer"] == "granted"


def test_a_promise_is_missing_from_what_others_may_grow_by(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(300)
    host.grant(a, "one", 200)
    host.turn()
    assert b.allowance_mib == 40 + 50


def test_a_question_is_no_sample_and_makes_no_shortage(host: Host) -> None:
    worker = host.start_worker("a")
    host.set_memory(-10)
    for _ in range(5):
        assert host.grant(worker, "job", 1)["answer"] == "later"
    assert not host.said("memory.short")
    host.turn()
    host.turn()
    assert host.said("memory.short")


def test_for_a_job_that_comes_later_an_idle_worker_that_grew_is_replaced(host: Host) -> None:
    asking, idle = host.start_worker("a"), host.start_worker("b")
    host.turn()
    host.set_memory(100, b=300)
    for need_mib, answer in ((150, "later"), (10, "granted")):
        assert host.grant(asking, "job", need_mib)["answer"] == answer
    host.turn()
    assert host.processes.stopped == [idle.id]
    assert not host.said("memory.short")


def test_a_job_that_came_later_is_forgotten_with_the_next_sample(host: Host) -> None:
    asking = host.start_worker("a")
    host.start_worker("b")
    host.turn()
    host.set_memory(100)
    host.grant(asking, "job", 150)
    host.turn()
    host.set_memory(100, b=300)
    host.turn()
    assert host.processes.stopped == []


@pytest.mark.parametrize(("need_mib", "answer"), [(60, "granted"), (1753, "never")])
def test_for_a_job_that_fits_or_never_will_nobody_is_replaced(host: Host, need_mib: float, answer: str) -> None:
    asking = host.start_worker("a")
    host.start_worker("b")
    host.turn()
    host.set_memory(100, b=1000)
    assert host.grant(asking, "job", need_mib)["answer"] == answer
    host.turn()
    assert host.processes.stopped == []
