"""Workers are replaced one by one, each new one ready before its old one goes; a bad canary changes nothing."""

from __future__ import annotations

import math

import pytest

from jqjobs.daemon.deploys.reload import Reload
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from log_lines import Lines
from unit.daemon.fake_workers import Clock, FakeWorkers


@pytest.fixture
def reload(workers: FakeWorkers, logged: Lines, clock: Clock) -> Reload:
    return Reload(workers.processes, boot_s=300)


def newest(workers: FakeWorkers) -> WorkerProcess:
    return list(workers.processes)[-1]


def make_ready(reload: Reload, workers: FakeWorkers) -> WorkerProcess:
    """Have the newest worker be ready, and the reload notice it; return it."""
    worker = newest(workers)
    worker.state = "ready"
    reload.advance()
    return worker


def run_to_the_end(reload: Reload, workers: FakeWorkers) -> int:
    """Have every new worker become ready; return how many were started."""
    started = 0
    for _ in range(100):
        if not reload.is_under_way:
            return started
        reload.advance()
        if newest(workers).state == "starting":
            started += 1
            make_ready(reload, workers)
    raise AssertionError("it does not end")


def test_an_old_worker_goes_only_when_the_new_one_is_ready(reload: Reload, workers: FakeWorkers, logged: Lines) -> None:
    one, other = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    canary = newest(workers)
    assert (canary.seat, canary.state) == (one.seat, "starting")
    for state in ("starting", "joining"):
        canary.state = state
        reload.advance()
        assert (one.plan, other.plan, newest(workers)) == (None, None, canary), f"{state} replaces nobody"
    make_ready(reload, workers)
    assert one.plan is not None
    assert math.isinf(one.plan.quit_at_s), "its job may take as long as it likes"
    assert one.plan.frees_seat
    assert other.plan is None
    assert logged.of("worker.replaced") == [{"event": "worker.replaced", "old": one.id, "new": canary.id}]


def test_one_after_another_is_replaced_in_its_seat(reload: Reload, workers: FakeWorkers) -> None:
    before = workers.start_ready(0, 1, 2)
    reload.begin()
    assert reload.is_under_way
    assert run_to_the_end(reload, workers) == 3
    assert not reload.is_under_way
    assert all(old.plan for old in before)
    assert [worker.seat for worker in workers.processes if worker.plan is None] == [0, 1, 2]
    for _ in range(3):
        reload.advance()
    assert len(workers.processes.by_id) == 6, "nothing happens unasked"


def test_with_no_worker_to_replace_it_is_over_at_once(reload: Reload, workers: FakeWorkers) -> None:
    reload.begin()
    reload.advance()
    assert not reload.is_under_way
    assert not workers.processes.by_id


def test_a_canary_that_dies_refuses_the_reload_with_what_it_said(
    reload: Reload, workers: FakeWorkers, logged: Lines
) -> None:
    before = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    canary = newest(workers)
    canary.error = "SyntaxError: invalid syntax"
    workers.end(canary, code=78)
    for _ in range(3):
        reload.advance()
    assert reload.refused_because == "SyntaxError: invalid syntax"
    assert [line["error"] for line in logged.of("reload.refused")] == ["SyntaxError: invalid syntax"]
    assert not reload.is_under_way
    assert workers.names() == [worker.id for worker in before], "the old ones go on, nothing is tried again"


def test_a_canary_that_dies_without_a_word_refuses_it_too(reload: Reload, workers: FakeWorkers) -> None:
    workers.start_ready(0)
    reload.begin()
    reload.advance()
    workers.end(newest(workers), code=-11)
    reload.advance()
    assert "died before it was ready" in reload.refused_because


def test_a_worker_that_dies_in_the_middle_refuses_the_rest(reload: Reload, workers: FakeWorkers) -> None:
    one, other = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    make_ready(reload, workers)
    reload.advance()
    workers.end(newest(workers), code=78)
    reload.advance()
    assert one.plan is not None
    assert other.plan is None
    assert reload.refused_because


def test_the_next_reload_forgets_that_the_last_one_was_refused(reload: Reload, workers: FakeWorkers) -> None:
    workers.start_ready(0)
    reload.begin()
    reload.advance()
    workers.end(newest(workers), code=78)
    reload.advance()
    assert reload.refused_because
    reload.begin()
    assert reload.refused_because == ""
    assert run_to_the_end(reload, workers) == 1
    assert reload.refused_because == ""


def test_a_canary_that_loads_for_ever_is_ended_and_refused(reload: Reload, workers: FakeWorkers, clock: Clock) -> None:
    [old] = workers.start_ready(0)
    reload.begin()
    reload.advance()
    canary = newest(workers)
    clock.now_s += 299
    reload.advance()
    assert canary.plan is None
    clock.now_s += 2
    reload.advance()
    assert canary.plan is not None
    assert canary.plan.kill_at_s <= clock.now_s + 1
    assert "300 s" in reload.refused_because
    assert old.plan is None


def test_an_outage_of_redis_is_no_fault_of_the_new_code(reload: Reload, workers: FakeWorkers, clock: Clock) -> None:
    """It has loaded the app and cannot join: that takes as long as the outage, and then the reload goes on."""
    [old] = workers.start_ready(0)
    reload.begin()
    reload.advance()
    newest(workers).state = "joining"
    clock.now_s += 100_000
    reload.advance()
    assert (newest(workers).plan, reload.refused_because) == (None, "")
    make_ready(reload, workers)
    assert old.plan is not None


def test_a_worker_that_cannot_be_started_refuses_it_once(reload: Reload, workers: FakeWorkers, logged: Lines) -> None:
    [old] = workers.start_ready(0)
    workers.cannot_start = True
    reload.begin()
    for _ in range(50):
        reload.advance()
    assert "cannot be started" in reload.refused_because
    assert len(logged.of("worker.not_started")) == 1, "not with every turn of the main loop"
    assert old.plan is None


def test_begun_again_it_starts_over_and_replaces_whoever_was_started_before(
    reload: Reload, workers: FakeWorkers
) -> None:
    one, other = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    first = make_ready(reload, workers)  # has the new code
    reload.advance()
    second = newest(workers)  # is loading it
    reload.begin()  # it is old by now
    run_to_the_end(reload, workers)
    assert all(old.plan for old in (one, other, first, second))
    assert sorted(worker.seat for worker in workers.processes if worker.plan is None) == [0, 1]


def test_begun_fifty_times_it_is_one_reload_started_over(reload: Reload, workers: FakeWorkers) -> None:
    workers.start_ready(0, 1)
    for _ in range(50):
        reload.begin()
        reload.advance()
    assert len(workers.processes.by_id) == 3, "one new worker at a time"
    assert run_to_the_end(reload, workers) <= 3


def test_a_single_old_worker_is_replaced_and_nobody_else(reload: Reload, workers: FakeWorkers) -> None:
    one, other = workers.start_ready(0, 1)
    for _ in range(3):  # it asks again while it waits
        reload.add(other)
    assert reload.is_under_way
    assert run_to_the_end(reload, workers) == 1
    assert other.plan is not None
    assert one.plan is None


def test_who_is_leaving_already_is_not_replaced_a_second_time(reload: Reload, workers: FakeWorkers) -> None:
    one, other = workers.start_ready(0, 1)
    workers.processes.stop(one, stop_plans.recycle_plan())
    reload.add(one)
    assert not reload.is_under_way
    reload.begin()
    assert run_to_the_end(reload, workers) == 1
    assert other.plan is not None


def test_a_reload_that_begins_while_a_worker_is_replaced_replaces_its_successor_too(
    reload: Reload, workers: FakeWorkers
) -> None:
    """The successor was started before the code changed, and nobody would notice what it has loaded."""
    one, _ = workers.start_ready(0, 1)
    reload.add(one)
    reload.advance()
    successor = newest(workers)
    reload.begin()
    run_to_the_end(reload, workers)
    assert successor.plan is not None


def test_when_the_old_worker_dies_meanwhile_its_successor_sends_nobody_else_away(
    reload: Reload, workers: FakeWorkers
) -> None:
    one, other = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    workers.end(one)
    successor = make_ready(reload, workers)
    assert successor.plan is None
    assert other.plan is None, "there would be one worker less until its own successor is ready"
    assert run_to_the_end(reload, workers) == 1
    assert other.plan is not None


def test_a_successor_whose_seat_was_given_up_is_no_bad_canary(reload: Reload, workers: FakeWorkers) -> None:
    one, other = workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    for worker in (one, newest(workers)):  # TTOU, say
        workers.processes.stop(worker, stop_plans.retire_plan())
    workers.end(newest(workers), code=0)
    assert run_to_the_end(reload, workers) == 1
    assert reload.refused_because == ""
    assert other.plan is not None


def test_a_fenced_successor_is_tried_again(reload: Reload, workers: FakeWorkers) -> None:
    [old] = workers.start_ready(0)
    reload.begin()
    reload.advance()
    workers.processes.stop(newest(workers), stop_plans.stop_plan(0.0, 5.0))
    reload.advance()
    assert run_to_the_end(reload, workers) == 1
    assert old.plan is not None
    assert reload.refused_because == ""


def test_abandoned_it_does_nothing_more(reload: Reload, workers: FakeWorkers) -> None:
    workers.start_ready(0, 1)
    reload.begin()
    reload.advance()
    reload.abandon()
    newest(workers).state = "ready"
    reload.advance()
    assert not reload.is_under_way
    assert len(workers.names()) == 3, "what was started stays; whoever abandons it ends it"
