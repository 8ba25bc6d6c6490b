"""The daemon's care for memory, with a fake probe and fake workers: said once, allowances, replacements."""

from __future__ import annotations

from jqjobs.daemon.workers.stop_plans import StopPlan
from unit.daemon.memory.memory_host import Host

#: Samples are this far apart when somebody asks.
ASKED_PACE_S = 0.1


# Pace


def test_memory_is_measured_twice_a_second_however_fast_the_main_loop_turns(host: Host) -> None:
    for _ in range(64):
        host.turn(1 / 32)  # without a remainder, so that no sample is late by a rounding error
    assert host.samples == 4


def test_a_worker_that_asks_is_looked_at_soon_but_never_twice_within_a_tenth_of_a_second(host: Host) -> None:
    host.turn()
    for _ in range(10):
        host.guard.ask()
        host.turn(ASKED_PACE_S / 10 * 0.99)
    assert host.samples == 1
    host.turn(ASKED_PACE_S / 10)
    assert host.samples == 2
    host.turn(ASKED_PACE_S * 1.5)
    assert host.samples == 2, "asked once, looked once"


def test_one_sample_that_speaks_for_a_change_is_soon_followed_by_the_second(host: Host) -> None:
    host.start_worker("a")
    host.turn()
    host.set_memory(-10)
    host.turn()
    assert not host.said("memory.short")
    host.turn(ASKED_PACE_S)
    assert host.said("memory.short")
    samples = host.samples
    host.turn(ASKED_PACE_S)
    assert host.samples == samples, "it is known now"


def test_where_nothing_can_be_measured_everybody_works_without_limit(host: Host) -> None:
    host.knows = False
    worker = host.start_worker("a", 40)
    host.turn()
    assert (worker.allowance_mib, host.guard.note) == (0, "")
    assert host.grant(worker, "job", 10**6)["answer"] == "granted"


# What is said


def test_a_shortage_and_its_end_are_said_once_each(host: Host) -> None:
    host.start_worker("a")
    host.set_memory(-56)
    for _ in range(5):
        host.turn()
    assert host.said("memory.short") == [{"level": 30, "free": "210 MB", "reserve": "268 MB", "limited_by": "host"}]
    assert not host.said("memory.enough")
    host.set_memory(244)
    for _ in range(5):
        host.turn()
    assert len(host.said("memory.short")) == 1
    assert host.said("memory.enough") == [{"free": "524 MB", "reserve": "268 MB"}]


def test_the_note_says_what_is_waited_for_and_who_limits_it_while_it_lasts(host: Host) -> None:
    host.start_worker("a")
    host.set_memory(-56)
    host.turn()
    assert host.guard.note == ""
    host.turn()
    assert host.guard.note == "waiting for memory: 210 MB free, 268 MB is kept in reserve"
    host.decided_by = "/sys/fs/cgroup/jobs"
    host.set_memory(-246)
    host.turn()
    assert host.guard.note == (
        "waiting for memory: 10.5 MB free in cgroup /sys/fs/cgroup/jobs, 268 MB is kept in reserve"
    )
    host.set_memory(500)
    host.turn()
    assert host.guard.note
    host.turn()
    assert host.guard.note == ""


def test_without_a_reserve_of_its_own_a_twentieth_or_128_mib_stay_free(host: Host) -> None:
    host.make_guard(reserve_mib=0)
    worker = host.start_worker("a", 40)
    host.set_memory(0)  # 256 MiB free in all, of 2 GiB
    host.turn()
    assert worker.allowance_mib == 40 + 128


# Allowances


def test_each_worker_reads_on_its_board_how_large_it_may_get(host: Host) -> None:
    a, b = host.start_worker("a", 40), host.start_worker("b", 40)
    host.set_memory(100, a=60)
    host.turn()
    assert (a.allowance_mib, b.allowance_mib) == (110, 90)


def test_a_worker_that_still_starts_is_left_its_share(host: Host) -> None:
    a, newcomer = host.start_worker("a", 40), host.start("b", 20)
    host.set_memory(100)
    host.turn()
    assert (a.allowance_mib, newcomer.allowance_mib) == (90, 0)


def test_the_room_is_shared_with_the_workers_of_other_daemons(host: Host) -> None:
    host.processes.elsewhere = 3
    worker = host.start_worker("a", 40)
    host.set_memory(80, a=40)
    host.turn()
    assert worker.allowance_mib == 40 + 80 / 4


def test_a_newcomer_knows_its_allowance_before_its_first_job_whenever_the_next_sample_is(host: Host) -> None:
    a = host.start_worker("a", 40)
    host.turn()
    host.set_memory(100)
    newcomer = host.start_worker("b", 20)
    assert (a.allowance_mib, newcomer.allowance_mib) == (90, 70)


def test_a_look_for_a_newcomer_is_no_sample_and_makes_no_shortage(host: Host) -> None:
    host.start_worker("a")
    host.turn()
    host.set_memory(-100)
    for name in ("b", "c", "d"):
        assert host.start_worker(name).allowance_mib == 40
    host.turn()
    assert not host.said("memory.short")
    host.turn()
    assert host.said("memory.short")


def test_during_a_shortage_nobody_takes_jobs_a_newcomer_included(host: Host) -> None:
    a = host.start_worker("a")
    host.set_memory(-300)
    host.turn()
    host.turn()
    late = host.start_worker("b")
    host.turn()
    assert a.takes_nothing
    assert late.takes_nothing


def test_who_had_to_wait_is_told_as_soon_as_there_is_room(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(-300)
    host.turn()
    host.turn()
    assert a.channel.take() == b.channel.take() == []
    host.set_memory(300)
    host.turn()
    assert a.channel.take() == []
    host.turn()
    assert a.channel.take() == b.channel.take() == [("memory", {})]
    host.turn()
    assert a.channel.take() == []


def test_who_reached_its_allowance_is_told_when_it_gets_a_larger_one(host: Host) -> None:
    a, b = host.start_worker("a"), host.start_worker("b")
    host.set_memory(100)
    host.turn()
    host.set_memory(50, a=90)
    host.guard.ask()
    host.turn(ASKED_PACE_S)
    assert a.allowance_mib == 115
    assert (a.channel.take(), b.channel.take()) == ([("memory", {})], [])


# Replacement


def test_growth_counts_from_before_the_first_job_even_when_that_job_is_over_at_the_first_sample(host: Host) -> None:
    a = host.start_worker("a", 40)
    host.set_memory(-100, a=700)
    host.turn()
    host.turn()
    assert host.processes.stopped == [a.id]


def test_a_worker_that_grew_is_replaced_the_old_one_first_and_in_its_own_time(host: Host) -> None:
    a = host.start_worker("a", 40)
    host.start_worker("b", 40)
    host.set_memory(-50, a=300)
    for _ in range(4):
        host.turn()
    assert host.processes.stopped == ["a"]
    assert a.plan
    assert a.plan.is_patient
    assert not a.plan.frees_seat
    assert host.said("worker.recycle") == [{"worker": "a", "pid": 1, "reason": "memory", "rss": "315 MB"}]


def test_who_is_being_replaced_for_another_reason_is_not_stopped_again(host: Host) -> None:
    a = host.start_worker("a", 40)
    a.state, a.plan = "stopping", StopPlan(9, 9)
    host.set_memory(-50, a=300)
    for _ in range(4):
        host.turn()
    assert host.processes.stopped == []
    assert not host.said("worker.recycle")


def test_an_idle_worker_is_replaced_before_a_busy_one(host: Host) -> None:
    host.start_worker("busy").run("job")
    host.start_worker("idle")
    host.set_memory(-50, busy=900, idle=200)
    host.turn()
    host.turn()
    assert host.processes.stopped == ["idle"]


def test_the_successor_works_when_the_old_one_has_given_its_memory_back(host: Host) -> None:
    a = host.start_worker("a", 40)
    host.set_memory(-50, a=300)
    host.turn()
    host.turn()
    host.end(a)
    successor = host.start_worker("a2", 40)
    host.set_memory(210)
    host.turn()
    assert successor.takes_nothing
    host.turn()
    assert successor.allowance_mib == 250
    assert host.processes.stopped == ["a"]


def test_max_rss_replaces_one_while_the_others_go_on(host: Host) -> None:
    host.make_guard(max_rss_mib=100)
    a, b = host.start_worker("a"), host.start_worker("b")
    host.turn()
    host.set_memory(900, a=101)
    host.turn()
    assert host.processes.stopped == ["a"]
    assert (a.allowance_mib, b.allowance_mib) == (100, 100)


def test_a_max_rss_below_what_workers_start_with_is_said_once_and_ignored(host: Host) -> None:
    host.make_guard(max_rss_mib=30)
    a = host.start_worker("a", 40)
    host.start_worker("b", 41)
    host.set_memory(100, a=80)
    host.turn()
    assert [facts["rss"] for facts in host.said("memory.max_rss_too_small")] == ["41.9 MB"]
    assert host.processes.stopped == []
    assert a.allowance_mib == 130


# Room for more workers


def test_there_is_room_for_as_many_as_are_like_the_largest_less_those_that_start(host: Host) -> None:
    assert host.guard.room_for_more() == 0, "how large one is, is not known"
    host.start_worker("a", 40)
    host.start_worker("b", 60)
    host.set_memory(200)
    host.turn()
    assert host.guard.room_for_more() == 3
    host.start("c")
    assert host.guard.room_for_more() == 2
    host.set_memory(-10)
    assert host.guard.room_for_more() == 0
    host.knows = False
    assert host.guard.room_for_more() is None
