"""What the lease thread does for queues, against a server."""

from __future__ import annotations

from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.records import Kind
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
