"""What people and producers do with jobs that are held: look, list, count, replace, take out."""

from __future__ import annotations

from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.limits import Concurrency, RateLimit
from jqjobs.jobs.selector import Selector
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.reads import jobs, queues
from jqjobs.store.reads.search import Cursor, search
from store.queue_system import LEASE_MS, QueueSystem

ONE = RateLimit(1, seconds=1).text("api")


def hold(system: QueueSystem, *ids: str) -> None:
    system.add_limited("starts", *ids, limits=ONE)
    system.take("w")
    system.take("v", 5)
    assert system.ids("held") == list(ids)


def test_held_jobs_are_counted_and_timers_are_not(system: QueueSystem) -> None:
    hold(system, "a", "b")
    system.add("later", due="+5000")
    found = system.run(queues.queue_status("q"))

    assert (found.held, found.scheduled, found.ready, found.active) == (2, 1, 0, 1)


def test_a_held_job_says_what_holds_it(system: QueueSystem) -> None:
    hold(system, "a")
    info = system.run(jobs.job_info("q", "a"))

    assert (info.state, info.held_by, info.throttles) == ("held", "api/1s", 1)


def test_a_daemon_that_ends_when_all_is_done_stays_for_held_jobs(system: QueueSystem) -> None:
    keeper = Housekeeping(system.store, DaemonSettings("app:app", system.url, burst="ready"))
    hold(system, "a")
    system.run(leases.leave("q", "w", "x", [BoardEntry("starts", 1, "succeeded")]))
    assert system.run(queues.queue_status("q")).active == 0

    assert not keeper.is_exhausted(["q"])


def test_held_jobs_are_listed_in_the_order_they_will_start(system: QueueSystem) -> None:
    hold(system, "a", "b", "c")
    page = system.run(search("q", Selector(), Cursor("held"), 2))

    assert (page.total, [row.id for row in page.rows], page.left) == (3, ["a", "b"], 1)
    assert page.rows[0].held_by == "api/1s"
    rest = system.run(search("q", Selector(), page.cursor, 5))
    assert ([row.id for row in rest.rows], rest.cursor) == (["c"], None)


def test_a_list_of_scheduled_jobs_passes_over_timers(system: QueueSystem) -> None:
    for n in range(5):
        system.add_limited(f"a{n}", f"b{n}", limits=RateLimit(1, seconds=1).text(f"k{n}"))
    for _ in range(6):
        for job in system.take("w", 5):
            system.settle("w", job)
    system.add("soon", due="+10")
    system.add("later", "last", due="+5000")
    assert len(system.ids("scheduled")) == 5 + 3

    first = system.run(search("q", Selector(), Cursor("scheduled"), 2))
    assert (first.total, [row.id for row in first.rows]) == (3, ["soon", "last"])
    rest = system.run(search("q", Selector(), first.cursor, 2))
    assert ([row.id for row in rest.rows], rest.cursor) == (["later"], None)


def test_a_key_stands_for_a_held_job(system: QueueSystem) -> None:
    system.add_limited("starts", limits=ONE)
    system.add_limited("a", limits=ONE, key="k")
    system.take("w")
    system.take("v")
    assert system.ids("held") == ["a"]

    [found] = system.add("again", key="k")
    assert (found.id, found.created) == ("a", False)


def test_a_held_job_that_is_replaced_waits_for_what_the_new_call_says(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"max_throttles": 5}}))
    system.add_limited("starts", limits=ONE)
    system.add_limited("a", limits=ONE, key="k")
    system.take("w")
    system.take("v")
    system.add("new", key="k", replace=True, payload=b'{"args":[2]}', fields=("limits", Concurrency(1).text("db")))

    assert system.states("a") == ["ready"]
    assert (system.ids("scheduled"), system.redis("EXISTS", system.key("gates"), system.key("patience:api/1s"))) == (
        [],
        0,
    )
    [job] = system.take("v")
    assert (job.id, job.payload, job.limits) == ("a", b'{"args":[2]}', Concurrency(1).text("db"))


def test_a_held_job_that_is_replaced_by_a_call_without_limits_has_none(system: QueueSystem) -> None:
    system.add_limited("starts", limits=ONE)
    system.add_limited("a", limits=ONE, key="k")
    system.take("w")
    system.take("v")
    system.add("new", key="k", replace=True)

    assert [(job.id, job.limits) for job in system.take("v")] == [("a", "")]
