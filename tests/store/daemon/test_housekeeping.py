"""What the lease thread does for queues, against a server."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from jqjobs.daemon.leases import housekeeping
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import batches, leases, moves
from jqjobs.store.calls.flows import deliver_flows
from jqjobs.store.steps import Steps
from log_lines import Lines
from store.queue_system import QueueSystem


def test_a_daemon_that_starts_with_a_lower_limit_wipes_nothing_without_a_word(
    system: QueueSystem, logged: Lines
) -> None:
    system.add("a", "b")
    for _ in "ab":
        system.round(Kind.DISCARDED)
    chores = Housekeeping(system.store, DaemonSettings("shop:app", "redis://", max_dead=1))
    assert not chores.do(["q"])

    assert system.ids("dead") == ["b"]
    assert [(line["queue"], line["trimmed"]) for line in logged.of("dead.trimmed")] == [("q", 1)]


def test_with_a_small_maxmemory_fewer_dead_are_kept_and_never_less_than_a_thousand(system: QueueSystem) -> None:
    chores = Housekeeping(system.store, DaemonSettings("shop:app", "redis://", max_dead=100_000))
    assert chores.most_dead(4) == 100_000
    chores.maxmemory_bytes = 256 * 1024**2
    assert 25_000 < chores.most_dead(1) < 27_000
    assert 6_000 < chores.most_dead(4) < 7_000
    assert chores.most_dead(400) == 1_000
    chores.maxmemory_bytes = 64 * 1024**3
    assert chores.most_dead(4) == 100_000


def test_members_of_a_cancelled_batch_are_cancelled_turn_by_turn_and_no_round_is_waited_for_between(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_TURN_S", 0)
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 1000))
    system.add(*(f"m{number}" for number in range(1000)), fields=("flow", "b", "batch", "q/b"))
    system.run(batches.cancel_batch("q", "b"))
    chores, dead = Housekeeping(system.store, DaemonSettings("shop:app", "redis://")), [0]
    while chores.do(["q"]):
        dead.append(len(system.ids("dead")))
    assert max((after - before for before, after in pairwise(dead)), default=1000) < 250
    assert (len(system.ids("dead")), system.ids("notices")) == (1000, [])


def test_what_there_was_no_time_for_is_not_left_until_it_is_overdue(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[Mapping[str, int]]()

    def noted(waiting: Mapping[str, int], until_s: float) -> Steps[tuple[int, dict[str, int]]]:
        asked.append(waiting)
        return deliver_flows(waiting, until_s)

    monkeypatch.setattr(housekeeping, "_TURN_S", 0)
    monkeypatch.setattr(housekeeping, "deliver_flows", noted)
    system.run(batches.open_batch("q", "b", "nonce", OnDead.WAIT, 1000))
    system.add(*(f"m{number}" for number in range(1000)), fields=("flow", "b", "batch", "q/b"))
    system.run(batches.cancel_batch("q", "b"))
    chores = Housekeeping(system.store, DaemonSettings("shop:app", "redis://"))
    chores.deliver_from(["q"])  # has just ended jobs there
    chores.do(["q"])
    assert asked == [{"q": 0}, {"q": 0}]


def test_queues_share_the_time_in_which_what_leaves_them_is_taken_along(
    system: QueueSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else leases would wait for each of hundreds."""
    ends, queues = list[float](), ["one", "two", "three"]

    def noted(waiting: Mapping[str, int], until_s: float) -> Steps[tuple[int, dict[str, int]]]:
        ends.append(until_s)
        return deliver_flows(waiting, until_s)

    monkeypatch.setattr(housekeeping, "deliver_flows", noted)
    for queue in queues:
        system.run(batches.open_batch(queue, "b", "nonce", OnDead.WAIT, 1000))
        system.add(f"of-{queue}", queue=queue, fields=("flow", "b", "batch", f"{queue}/b"))
        system.run(batches.cancel_batch(queue, "b"))
    assert not Housekeeping(system.store, DaemonSettings("shop:app", "redis://")).do(queues)

    assert (len(ends), len({*ends})) == (3, 1)
    assert [system.ids("dead", queue) for queue in queues] == [["of-one"], ["of-two"], ["of-three"]]


def test_a_burst_is_not_over_while_suspects_wait(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take()
    chores = Housekeeping(system.store, DaemonSettings("shop:app", "redis://", burst="ready"))
    system.run(leases.leave("q", "w", "died", [BoardEntry("a", job.attempt, "suspect 1 1")]))
    assert not chores.is_exhausted(["q"])


def test_a_burst_is_not_over_while_jobs_are_on_their_way_to_another_queue(system: QueueSystem) -> None:
    system.add("a")
    system.run(moves.move("q", "b", ["a"]))
    chores = Housekeeping(system.store, DaemonSettings("shop:app", "redis://", burst="ready"))
    assert not chores.is_exhausted(["q"])
    system.clock.advance(2000)
    chores.do(["q"])
    assert chores.is_exhausted(["q"])
    assert system.ids("ready", "b") == ["a"]
