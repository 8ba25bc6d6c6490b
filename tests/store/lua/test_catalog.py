"""publish, offers and parked: which names are offered, and what becomes of jobs nobody can run."""

from __future__ import annotations

import json

from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from store.queue_system import LEASE_MS, START_MS, QueueSystem


def publish(system: QueueSystem, *names: str, **entry: object) -> int:
    return system.run(leases.publish("q", LEASE_MS, dict.fromkeys(names, entry)))


def offer(system: QueueSystem, *names: str) -> None:
    system.offer(*names)


def park(system: QueueSystem, *ids: str, **job: object) -> None:
    system.add(*ids, **job)
    for _ in ids:
        system.round(Kind.UNKNOWN)


def test_publish_stores_entries_and_answers_how_many_there_are(system: QueueSystem) -> None:
    assert publish(system, "a", "b", max_attempts=5, doc="ü") == 2
    assert publish(system, "c") == 3

    assert json.loads(system.redis("HGET", system.key("catalog"), "a")) == {"max_attempts": 5, "doc": "ü"}
    assert system.score("offers", "a") == START_MS + LEASE_MS


def test_parameters_have_a_field_of_their_own_and_leave_with_the_job(system: QueueSystem) -> None:
    def published(parameters: dict[str, object]) -> list[bytes]:
        system.run(leases.publish("q", LEASE_MS, {"a": {"doc": ""}}, parameters))
        return sorted(system.redis("HKEYS", system.key("catalog")))

    assert published({"a": {"type": "object"}, "of another queue": True}) == [b"a", b"params:a"]
    assert json.loads(system.redis("HGET", system.key("catalog"), "a")) == {"doc": ""}, "as small as before"
    assert published({}) == [b"a"]


def test_the_catalog_expires_a_week_after_the_last_publication(system: QueueSystem) -> None:
    publish(system, "a")

    assert 604_000_000 < system.redis("PTTL", system.key("catalog")) <= 604_800_000


def test_a_job_nobody_offers_is_parked_free_of_charge(system: QueueSystem) -> None:
    park(system, "a")

    assert system.states("a") == ["parked"]
    assert system.score("parked", "a") == START_MS
    assert system.counters("a") == {}


def test_a_job_another_worker_offers_comes_back_in_place_after_a_short_delay(system: QueueSystem) -> None:
    offer(system, "n")
    system.add("a", "b", "c")
    system.round(Kind.UNKNOWN)
    assert system.score("scheduled", "a") == START_MS + 500
    system.clock.advance(500)
    system.trip("w")

    assert system.ids("ready") == ["a", "b", "c"]
    assert "rank" not in system.job("a")
    assert system.counters("a") == {}


def test_an_offer_counts_until_its_lease_is_over(system: QueueSystem) -> None:
    offer(system, "n")
    system.add("a", "b")
    system.join("w")
    system.clock.advance(LEASE_MS - 1)
    system.round(Kind.UNKNOWN)
    system.clock.advance(1)
    system.round(Kind.UNKNOWN)

    assert (system.states("a"), system.states("b")) == (["scheduled"], ["parked"])


def test_an_offer_does_not_get_shorter(system: QueueSystem) -> None:
    digest = system.offer("n", lease_ms=10 * LEASE_MS)
    assert system.run(leases.renew(["q"], LEASE_MS, [], [digest]))[0].unknown == set()

    assert system.score("rosters", digest) == START_MS + 10 * LEASE_MS


def test_parked_jobs_are_freed_in_place_by_whoever_offers_their_name(system: QueueSystem) -> None:
    park(system, "a", "b", name="mail")
    park(system, "other", name="else")
    system.add("late", name="mail")
    system.tend()
    assert system.ids("parked") == ["a", "b", "other"]
    offer(system, "mail")
    system.tend()

    assert system.ids("ready") == ["a", "b", "late"]
    assert system.ids("parked") == ["other"]
    assert "rank" not in system.job("a")


def test_publishing_frees_parked_jobs_too(system: QueueSystem) -> None:
    park(system, "a", name="mail")
    publish(system, "mail")
    system.tend()

    assert system.states("a") == ["ready"]


def test_a_job_parked_after_the_offer_ended_is_freed_by_the_next_offer(system: QueueSystem) -> None:
    offer(system, "mail")
    system.join("w")
    system.clock.advance(LEASE_MS)
    park(system, "a", name="mail")
    system.tend()
    assert system.states("a") == ["parked"]
    offer(system, "mail")
    system.tend()

    assert system.states("a") == ["ready"]


def test_a_clock_set_back_does_not_leave_a_job_parked_whose_name_is_offered(system: QueueSystem) -> None:
    offer(system, "mail")
    system.join("w")
    system.clock.advance(LEASE_MS)
    system.tend()
    park(system, "a", name="mail")
    system.clock.advance(-LEASE_MS // 2)
    system.tend()
    offer(system, "mail")
    system.tend()

    assert system.states("a") == ["ready"]


def test_a_clock_set_back_does_not_stretch_an_offer(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    offer(system, "mail")
    system.clock.advance(-3_600_000)
    system.tend()
    system.clock.advance(LEASE_MS)
    park(system, "a", name="mail")

    assert system.states("a") == ["parked"]


def test_unparking_goes_round_in_bounded_laps(system: QueueSystem) -> None:
    park(system, *[f"a{i:03}" for i in range(250)], name="unknown")
    park(system, "wanted", name="mail")
    offer(system, "mail")
    rounds = 1
    while system.tend().more:
        rounds += 1

    assert rounds == 3
    assert system.states("wanted") == ["ready"]
    assert len(system.ids("parked")) == 250
    assert system.meta("unpark") is None


def test_without_a_new_offer_nobody_looks_at_the_parked(system: QueueSystem) -> None:
    park(system, "a", name="mail")
    offer(system, "mail")
    system.tend()
    offer(system, "mail")

    assert system.meta("unpark") is None


def test_a_parked_id_without_a_record_is_dropped(system: QueueSystem) -> None:
    system.redis("ZADD", system.key("parked"), 1, "ghost")
    offer(system, "mail")
    system.tend()

    assert system.states("ghost") == []


def test_old_offers_are_forgotten(system: QueueSystem) -> None:
    offer(system, "gone")
    system.clock.advance(2 * LEASE_MS)
    system.tend()

    assert system.ids("offers") == []


def test_a_suspect_that_is_unknown_here_stays_a_suspect(system: QueueSystem) -> None:
    system.add("a")
    system.take("w0")
    system.run(leases.leave("q", "w0", "gone", [BoardEntry("a", 1, "suspect 1 2")]))
    system.join("w")
    [suspect] = system.trip("w", 1, suspects=(1, Scope.DAEMON)).jobs
    system.settle("w", suspect, Kind.UNKNOWN)

    assert (system.states("a"), system.job("a")["suspect"]) == (["parked"], "1 2")
    system.run(leases.publish("q", LEASE_MS, {"n": {}}))
    system.tend()
    assert system.states("a") == ["suspects"]
