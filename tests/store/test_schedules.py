"""plan, agenda, tick, suspend: schedules as Redis keeps them, on each server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jqjobs.errors import StoreFull
from jqjobs.job import Kind
from jqjobs.store import calls
from jqjobs.store.calls import Call
from jqjobs.store.schedules import Answer, Planned, Ticked, agenda, offer, plan, suspend, tick
from jqjobs.timetable import read_entry
from store.rig import LEASE_MS, START_MS, Rig

YEAR_MS = 31_536_000_000
PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")


def entry(**changes: Any) -> str:
    base = {"job": "n", "payload": '{"args":[1]}', "priority": 0, "fields": [], "overlap": True, "every_ms": 1000}
    return json.dumps(base | changes, sort_keys=True)


def publish(rig: Rig, *names: str, **changes: Any) -> int:
    return rig.run(plan("q", LEASE_MS, dict.fromkeys(names or ("s",), entry(**changes))))


def schedules(rig: Rig) -> dict[str, Planned]:
    found = rig.run(agenda("q")).schedules
    return {planned.name: planned for planned in found or ()}


def number(rig: Rig) -> int:
    return int(rig.run(agenda("q")).number)


def run_tick(rig: Rig, since_ms: int | None, *ticks: int, to: int | None = None, name: str = "s") -> Ticked:
    """Tick at the time of the last tick; ``to``: since when ticks are to come then."""
    new = to if to is not None else ticks[-1]
    rig.clock.now_ms = max(rig.clock.now_ms, new)
    found: Ticked = rig.run(tick("q", name, since_ms, new, ticks))
    return found


# plan and agenda


def test_a_new_schedule_counts_from_its_publication(rig: Rig) -> None:
    assert publish(rig, "s", "t") == 2

    assert schedules(rig)["s"] == Planned("s", json.loads(entry()), START_MS, None, "", None, True)


def test_publishing_again_changes_nothing(rig: Rig) -> None:
    publish(rig)
    before = number(rig)
    rig.clock.advance(5000)
    publish(rig)

    assert number(rig) == before
    assert schedules(rig)["s"].since_ms == START_MS


def test_an_edit_replaces_the_entry_and_new_times_count_from_now(rig: Rig) -> None:
    publish(rig)
    run_tick(rig, START_MS, START_MS + 1000)
    rig.clock.advance(60_000)
    before = number(rig)
    publish(rig, every_ms=7000)

    found = schedules(rig)["s"]
    assert (found.since_ms, found.entry and found.entry["every_ms"]) == (START_MS + 61_000, 7000)
    assert (found.ran_ms, found.ran_id) == (START_MS + 1000, f"s-{START_MS + 1000}")
    assert number(rig) > before


def test_an_edit_of_anything_else_loses_no_tick(rig: Rig) -> None:
    publish(rig)
    rig.clock.advance(500)
    publish(rig, payload='{"args":[2]}')

    assert schedules(rig)["s"].since_ms == START_MS
    assert schedules(rig)["s"].entry == json.loads(entry(payload='{"args":[2]}'))


def test_who_knows_the_number_is_told_nothing_but_the_time(rig: Rig) -> None:
    assert rig.run(agenda("q", 0)) == (START_MS, 0, None)
    publish(rig)
    known = number(rig)

    assert rig.run(agenda("q", known)) == (START_MS, known, None)
    assert rig.run(agenda("q", known - 1)).schedules


def test_nothing_new_is_told_in_two_words(rig: Rig) -> None:
    publish(rig)
    asked = agenda("q", number(rig))

    assert len(rig.run(Call(asked.script, asked.keys, asked.args, list))) == 2


def test_a_schedule_ends_when_its_offer_does_and_begins_again_with_it(rig: Rig) -> None:
    publish(rig)
    rig.clock.advance(LEASE_MS - 1)
    assert schedules(rig)["s"].offered
    rig.clock.advance(1)
    assert not schedules(rig)["s"].offered
    before = number(rig)
    rig.run(calls.renew("q", LEASE_MS, [], [offer("q", "s")]))

    assert schedules(rig)["s"].offered
    assert number(rig) > before, "daemons must look again"


def test_renewing_a_live_offer_keeps_it_and_tells_nobody(rig: Rig) -> None:
    publish(rig)
    before = number(rig)
    rig.clock.advance(LEASE_MS // 2)
    rig.run(calls.renew("q", LEASE_MS, [], [offer("q", "s")]))
    rig.clock.advance(LEASE_MS - 1)

    assert schedules(rig)["s"].offered
    assert number(rig) == before
    assert rig.meta("unpark") is None


def test_publishing_an_ended_schedule_tells_daemons(rig: Rig) -> None:
    publish(rig)
    rig.clock.advance(LEASE_MS)
    before = number(rig)
    publish(rig)

    assert number(rig) > before
    assert schedules(rig)["s"].since_ms == START_MS, "what was missed is still to come"


def test_a_schedule_that_moved_to_another_queue_is_not_offered_in_the_old_one(rig: Rig) -> None:
    publish(rig)
    rig.clock.advance(LEASE_MS)
    rig.run(calls.renew("q", LEASE_MS, [], [offer("new", "s")]))

    assert not schedules(rig)["s"].offered


def test_what_nobody_offered_for_a_year_is_forgotten_with_all_there_is_of_it(rig: Rig) -> None:
    publish(rig, "old", "paused")
    rig.run(suspend("q", "paused"))
    rig.clock.advance(YEAR_MS)
    publish(rig, "new")
    assert set(schedules(rig)) == {"old", "paused", "new"}
    rig.clock.advance(1)
    publish(rig, "new")

    assert set(schedules(rig)) == {"new"}
    assert rig.redis("HKEYS", rig.key("ticks")) == [b"new"]
    assert rig.redis("EXISTS", rig.key("paused")) == 0


def test_what_comes_every_few_years_is_not_forgotten_while_somebody_offers_it(rig: Rig) -> None:
    publish(rig, "leap")
    rig.clock.advance(2 * YEAR_MS)
    rig.run(calls.renew("q", LEASE_MS, [], [offer("q", "leap")]))
    publish(rig, "new")

    assert set(schedules(rig)) == {"leap", "new"}


# tick


def test_a_tick_enqueues_its_job_and_moves_on(rig: Rig) -> None:
    publish(rig, priority=3, payload='{"args":["ü","\\u0000"]}')
    due = START_MS + 1000

    assert run_tick(rig, START_MS, due) == (Answer.DONE, due, 1)
    assert rig.ids("ready") == [f"s-{due}"]
    job = rig.job(f"s-{due}")
    assert (job["name"], job["priority"]) == ("n", "3")
    assert job["payload"].encode("latin-1").decode() == '{"args":["ü","\\u0000"]}'
    assert rig.wakes()
    assert schedules(rig)["s"][2:5] == (due, due, f"s-{due}")


def test_the_second_of_two_daemons_comes_too_late(rig: Rig) -> None:
    publish(rig)
    due = START_MS + 1000
    run_tick(rig, START_MS, due)
    before = rig.everything()

    assert run_tick(rig, START_MS, due) == (Answer.TAKEN, due, 0)
    assert rig.everything() == before


def test_a_tick_whose_job_has_run_and_is_gone_is_still_taken(rig: Rig) -> None:
    publish(rig)
    due = START_MS + 1000
    run_tick(rig, START_MS, due)
    rig.round(Kind.DONE)

    assert run_tick(rig, START_MS, due).answer is Answer.TAKEN
    assert rig.ids("ready") == []


def test_several_ticks_are_several_jobs_in_order(rig: Rig) -> None:
    publish(rig)
    due = [START_MS + n * 1000 for n in range(1, 4)]

    assert run_tick(rig, START_MS, *due) == (Answer.DONE, due[-1], 3)
    assert rig.ids("ready") == [f"s-{each}" for each in due]


def test_ticks_can_be_skipped(rig: Rig) -> None:
    publish(rig)

    assert run_tick(rig, START_MS, to=START_MS + 5000) == (Answer.DONE, START_MS + 5000, 0)
    assert rig.ids("ready") == []
    assert schedules(rig)["s"].ran_ms is None


@pytest.mark.parametrize("ticks", [(), (START_MS + 2000,)])
def test_a_tick_that_has_not_come_by_the_clock_of_redis_is_early(rig: Rig, ticks: tuple[int, ...]) -> None:
    publish(rig)
    rig.clock.advance(1999)
    before = rig.everything()

    answer = rig.run(tick("q", "s", START_MS, START_MS + 2000, ticks))
    assert answer == (Answer.EARLY, START_MS, 0)
    assert rig.everything() == before


def test_nothing_is_enqueued_for_an_ended_a_paused_or_an_unknown_schedule(rig: Rig) -> None:
    publish(rig, "s", "t")
    rig.run(suspend("q", "t"))
    assert run_tick(rig, START_MS, START_MS + 1000, name="t").answer is Answer.PAUSED
    assert run_tick(rig, None, START_MS + 1000, name="x").answer is Answer.GONE
    rig.clock.advance(LEASE_MS)
    assert run_tick(rig, START_MS, START_MS + 1000).answer is Answer.ENDED

    assert rig.ids("ready") == []


@pytest.mark.parametrize("broken", ["no", "[]", "{}", '{"job":1,"payload":"{}"}', '{"job":"n"}'])
def test_an_entry_that_cannot_be_read_enqueues_nothing(rig: Rig, broken: str) -> None:
    publish(rig)
    rig.redis("HSET", rig.key("schedule"), "s", broken)
    before = rig.everything()
    rig.clock.advance(1000)

    assert rig.run(tick("q", "s", START_MS, START_MS + 1000, [START_MS + 1000])).answer is Answer.GONE
    assert rig.everything() == before


def test_lost_progress_is_started_anew(rig: Rig) -> None:
    publish(rig)
    rig.redis("DEL", rig.key("ticks"))

    assert schedules(rig)["s"].since_ms is None
    assert run_tick(rig, None, to=START_MS) == (Answer.DONE, START_MS, 0)


def test_without_overlap_a_tick_waits_for_no_run_and_is_skipped(rig: Rig) -> None:
    publish(rig, overlap=False)
    first, second, third = (START_MS + n * 1000 for n in (1, 2, 3))
    run_tick(rig, START_MS, first)
    [job] = rig.take()
    assert run_tick(rig, first, second) == (Answer.DONE, second, 0)
    assert schedules(rig)["s"][2:5] == (second, first, f"s-{first}")
    rig.settle("w", job)

    assert run_tick(rig, second, third) == (Answer.DONE, third, 1)
    assert rig.ids("ready") == [f"s-{third}"]


def test_with_overlap_each_tick_is_a_job(rig: Rig) -> None:
    publish(rig)
    run_tick(rig, START_MS, START_MS + 1000)
    rig.take()

    assert run_tick(rig, START_MS + 1000, START_MS + 2000).made == 1


def test_options_reach_the_job_and_expiry_counts_from_the_tick(rig: Rig) -> None:
    publish(rig, fields=["max_attempts", "9", "expires", "+60000", "timeout", "5000"])
    run_tick(rig, START_MS, START_MS + 1000)

    job = rig.job(f"s-{START_MS + 1000}")
    assert (job["max_attempts"], job["timeout"], float(job["expires"])) == ("9", "5000", START_MS + 61_000)
    [taken] = rig.take()
    assert taken.timeout_ms == 5000


def test_a_paused_queue_is_not_woken_by_a_tick(rig: Rig) -> None:
    publish(rig)
    rig.run(calls.pause("q"))
    run_tick(rig, START_MS, START_MS + 1000)

    assert rig.ids("ready") == [f"s-{START_MS + 1000}"]
    assert not rig.wakes()


def test_the_entry_in_the_documentation_is_one(rig: Rig) -> None:
    example = PROTOCOL.split("\n## Schedules\n", 1)[1].split("```", 2)[1]
    rig.run(plan("q", LEASE_MS, {"nightly": example}))
    due = START_MS + 1000

    assert run_tick(rig, START_MS, due, name="nightly").answer is Answer.DONE
    job = rig.job(f"nightly-{due}")
    assert (job["name"], job["payload"], job["max_attempts"]) == ("nightly_report", '{"args":["all"]}', "5")
    assert [str(read_entry(planned.entry or {})[0]) for planned in schedules(rig).values()] == [
        "0 3 * * * Europe/Paris"
    ]


# suspend


def test_a_pause_outlives_every_publication_and_ends_by_resume_only(rig: Rig) -> None:
    publish(rig)
    before = number(rig)
    assert rig.run(suspend("q", "s")) == 1
    assert number(rig) > before
    assert rig.run(suspend("q", "s")) == 0
    publish(rig, every_ms=9000)
    assert schedules(rig)["s"].paused_ms == START_MS
    rig.clock.advance(50_000)
    publish(rig, every_ms=9000)
    before = number(rig)
    assert rig.run(suspend("q", "s", resume=True)) == 1

    assert number(rig) > before
    assert schedules(rig)["s"].paused_ms is None
    assert schedules(rig)["s"].since_ms == START_MS + 50_000, "what was missed is not caught up on"
    assert rig.run(suspend("q", "s", resume=True)) == 0


def test_what_is_not_there_cannot_be_paused(rig: Rig) -> None:
    assert rig.run(suspend("q", "s")) == -1
    assert rig.run(suspend("q", "s", resume=True)) == -1
    assert rig.everything() == {}


# A full Redis


def test_at_maxmemory_a_tick_is_refused_and_all_else_works(real_rig: Rig) -> None:
    rig = real_rig
    publish(rig, "s", "t")
    due = START_MS + 1000
    rig.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            run_tick(rig, START_MS, due)
        assert run_tick(rig, START_MS, to=due, name="t").answer is Answer.DONE
        assert publish(rig, "s", "u") == 3
        assert rig.run(suspend("q", "s")) == 1
        assert rig.run(suspend("q", "s", resume=True)) == 1
    finally:
        rig.redis("CONFIG", "SET", "maxmemory", 0)

    assert schedules(rig)["s"].since_ms == due
    assert rig.ids("ready") == []
