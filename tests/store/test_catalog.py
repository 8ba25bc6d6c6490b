"""publish, offers and parked: which names are offered, and what becomes of jobs nobody can run."""

from __future__ import annotations

import json

from jqjobs.job import Kind
from jqjobs.store import calls
from store.rig import LEASE_MS, START_MS, Rig


def publish(rig: Rig, *names: str, **entry: object) -> int:
    return rig.run(calls.publish("q", LEASE_MS, dict.fromkeys(names, entry)))


def offer(rig: Rig, *names: str) -> None:
    rig.run(calls.renew("q", LEASE_MS, [], names))


def park(rig: Rig, *ids: str, **job: object) -> None:
    rig.add(*ids, **job)
    for _ in ids:
        rig.round(Kind.UNKNOWN)


def test_publish_stores_entries_and_answers_how_many_there_are(rig: Rig) -> None:
    assert publish(rig, "a", "b", max_attempts=5, doc="ü") == 2
    assert publish(rig, "c") == 3

    assert json.loads(rig.redis("HGET", rig.key("catalog"), "a")) == {"max_attempts": 5, "doc": "ü"}
    assert rig.score("offers", "a") == START_MS + LEASE_MS


def test_the_catalog_expires_a_week_after_the_last_publication(rig: Rig) -> None:
    publish(rig, "a")

    assert 604_000_000 < rig.redis("PTTL", rig.key("catalog")) <= 604_800_000


def test_a_job_nobody_offers_is_parked_free_of_charge(rig: Rig) -> None:
    park(rig, "a")

    assert rig.states("a") == ["parked"]
    assert rig.score("parked", "a") == START_MS
    assert rig.counters("a") == {}


def test_a_job_another_worker_offers_comes_back_in_place_after_a_short_delay(rig: Rig) -> None:
    offer(rig, "n")
    rig.add("a", "b", "c")
    rig.round(Kind.UNKNOWN)
    assert rig.score("scheduled", "a") == START_MS + 500
    rig.clock.advance(500)
    rig.trip("w")

    assert rig.ids("ready") == ["a", "b", "c"]
    assert "rank" not in rig.job("a")
    assert rig.counters("a") == {}


def test_an_offer_counts_until_its_lease_is_over(rig: Rig) -> None:
    offer(rig, "n")
    rig.add("a", "b")
    rig.join("w")
    rig.clock.advance(LEASE_MS - 1)
    rig.round(Kind.UNKNOWN)
    rig.clock.advance(1)
    rig.round(Kind.UNKNOWN)

    assert (rig.states("a"), rig.states("b")) == (["scheduled"], ["parked"])


def test_an_offer_does_not_get_shorter(rig: Rig) -> None:
    rig.run(calls.renew("q", 10 * LEASE_MS, [], ["n"]))
    offer(rig, "n")

    assert rig.score("offers", "n") == START_MS + 10 * LEASE_MS


def test_parked_jobs_are_freed_in_place_by_whoever_offers_their_name(rig: Rig) -> None:
    park(rig, "a", "b", name="mail")
    park(rig, "other", name="else")
    rig.add("late", name="mail")
    rig.tend()
    assert rig.ids("parked") == ["a", "b", "other"]
    offer(rig, "mail")
    rig.tend()

    assert rig.ids("ready") == ["a", "b", "late"]
    assert rig.ids("parked") == ["other"]
    assert "rank" not in rig.job("a")


def test_publishing_frees_parked_jobs_too(rig: Rig) -> None:
    park(rig, "a", name="mail")
    publish(rig, "mail")
    rig.tend()

    assert rig.states("a") == ["ready"]


def test_a_job_parked_after_the_offer_ended_is_freed_by_the_next_offer(rig: Rig) -> None:
    offer(rig, "mail")
    rig.join("w")
    rig.clock.advance(LEASE_MS)
    park(rig, "a", name="mail")
    rig.tend()
    assert rig.states("a") == ["parked"]
    offer(rig, "mail")
    rig.tend()

    assert rig.states("a") == ["ready"]


def test_a_clock_set_back_does_not_leave_a_job_parked_whose_name_is_offered(rig: Rig) -> None:
    offer(rig, "mail")
    rig.join("w")
    rig.clock.advance(LEASE_MS)
    rig.tend()
    park(rig, "a", name="mail")
    rig.clock.advance(-LEASE_MS // 2)
    rig.tend()
    offer(rig, "mail")
    rig.tend()

    assert rig.states("a") == ["ready"]


def test_a_clock_set_back_does_not_stretch_an_offer(rig: Rig) -> None:
    rig.reaping_works_from_now()
    offer(rig, "mail")
    rig.clock.advance(-3_600_000)
    rig.tend()
    rig.clock.advance(LEASE_MS)
    park(rig, "a", name="mail")

    assert rig.states("a") == ["parked"]


def test_unparking_goes_round_in_bounded_laps(rig: Rig) -> None:
    park(rig, *[f"a{i:03}" for i in range(250)], name="unknown")
    park(rig, "wanted", name="mail")
    offer(rig, "mail")
    rounds = 1
    while rig.tend().more:
        rounds += 1

    assert rounds == 3
    assert rig.states("wanted") == ["ready"]
    assert len(rig.ids("parked")) == 250
    assert rig.meta("unpark") is None


def test_without_a_new_offer_nobody_looks_at_the_parked(rig: Rig) -> None:
    park(rig, "a", name="mail")
    offer(rig, "mail")
    rig.tend()
    offer(rig, "mail")

    assert rig.meta("unpark") is None


def test_a_parked_id_without_a_record_is_dropped(rig: Rig) -> None:
    rig.redis("ZADD", rig.key("parked"), 1, "ghost")
    offer(rig, "mail")
    rig.tend()

    assert rig.states("ghost") == []


def test_old_offers_are_forgotten(rig: Rig) -> None:
    offer(rig, "gone")
    rig.clock.advance(2 * LEASE_MS)
    rig.tend()

    assert rig.ids("offers") == []


def test_a_suspect_that_is_unknown_here_stays_a_suspect(rig: Rig) -> None:
    rig.add("a")
    rig.take("w0")
    rig.run(calls.leave("q", "w0", "suspect", "gone", [calls.BoardEntry("a", 1, "running")]))
    rig.round(Kind.UNKNOWN)

    assert rig.job("a")["suspect"] == "1"
