"""What people and producers do with jobs that are held: look, list, count, replace, take out."""

from __future__ import annotations

from jqjobs.daemon.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.limits import Concurrency, RateLimit
from jqjobs.store import calls, inspect
from jqjobs.store.calls import BoardEntry
from store.rig import LEASE_MS, Rig

ONE = RateLimit(1, seconds=1).text("api")


def hold(rig: Rig, *ids: str) -> None:
    rig.add_limited("starts", *ids, limits=ONE)
    rig.take("w")
    rig.take("v", 5)
    assert rig.ids("held") == list(ids)


def test_held_jobs_are_counted_and_timers_are_not(rig: Rig) -> None:
    hold(rig, "a", "b")
    rig.add("later", due="+5000")
    found = rig.run(inspect.queue_status("q"))

    assert (found.held, found.scheduled, found.ready, found.active) == (2, 1, 0, 1)


def test_a_held_job_says_what_holds_it(rig: Rig) -> None:
    hold(rig, "a")
    info = rig.run(inspect.job_info("q", "a"))

    assert (info.state, info.held_by, info.throttles) == ("held", "api/1s", 1)


def test_a_daemon_that_ends_when_all_is_done_stays_for_held_jobs(rig: Rig) -> None:
    keeper = Housekeeping(rig.store, DaemonSettings("app:app", rig.url, burst="ready"))
    hold(rig, "a")
    rig.run(calls.leave("q", "w", "hung", "x", [BoardEntry("starts", 1, "succeeded")]))
    assert rig.run(inspect.queue_status("q")).active == 0

    assert not keeper.is_exhausted(["q"])


def test_held_jobs_are_listed_in_the_order_they_will_start(rig: Rig) -> None:
    hold(rig, "a", "b", "c")
    page = rig.run(inspect.job_list("q", "held", 1, 1))

    assert (page.total, [row.id for row in page.rows], page.next_offset) == (3, ["b"], 2)
    assert page.rows[0].held_by == "api/1s"
    assert rig.run(inspect.job_list("q", "held", 2, 5)).next_offset is None


def test_a_list_of_scheduled_jobs_passes_over_timers(rig: Rig) -> None:
    for n in range(5):
        rig.add_limited(f"a{n}", f"b{n}", limits=RateLimit(1, seconds=1).text(f"k{n}"))
    for _ in range(6):
        for job in rig.take("w", 5):
            rig.settle("w", job)
    rig.add("soon", due="+10")
    rig.add("later", "last", due="+5000")
    assert len(rig.ids("scheduled")) == 5 + 3

    first = rig.run(inspect.job_list("q", "scheduled", 0, 2))
    assert (first.total, [row.id for row in first.rows]) == (3, ["soon", "last"])
    rest = rig.run(inspect.job_list("q", "scheduled", first.next_offset, 2))
    assert ([row.id for row in rest.rows], rest.next_offset) == (["later"], None)


def test_a_key_stands_for_a_held_job(rig: Rig) -> None:
    rig.add_limited("starts", limits=ONE)
    rig.add_limited("a", limits=ONE, key="k")
    rig.take("w")
    rig.take("v")
    assert rig.ids("held") == ["a"]

    [found] = rig.add("again", key="k")
    assert (found.id, found.created) == ("a", False)


def test_a_held_job_that_is_replaced_waits_for_what_the_new_call_says(rig: Rig) -> None:
    rig.run(calls.publish("q", LEASE_MS, {"n": {"max_throttles": 5}}))
    rig.add_limited("starts", limits=ONE)
    rig.add_limited("a", limits=ONE, key="k")
    rig.take("w")
    rig.take("v")
    rig.add("new", key="k", replace=True, payload=b'{"args":[2]}', fields=("limits", Concurrency(1).text("db")))

    assert rig.states("a") == ["ready"]
    assert (rig.ids("scheduled"), rig.redis("EXISTS", rig.key("gates"), rig.key("patience:api/1s"))) == ([], 0)
    [job] = rig.take("v")
    assert (job.id, job.payload, job.limits) == ("a", b'{"args":[2]}', Concurrency(1).text("db"))


def test_a_held_job_that_is_replaced_by_a_call_without_limits_has_none(rig: Rig) -> None:
    rig.add_limited("starts", limits=ONE)
    rig.add_limited("a", limits=ONE, key="k")
    rig.take("w")
    rig.take("v")
    rig.add("new", key="k", replace=True)

    assert [(job.id, job.limits) for job in rig.take("v")] == [("a", "")]
