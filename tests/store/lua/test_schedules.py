"""plan, agenda, tick, suspend: schedules as Redis keeps them, on each server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jqjobs.errors import StoreFull
from jqjobs.jobs.records import Kind
from jqjobs.jobs.timetable import read_entry
from jqjobs.link.board import BoardEntry
from jqjobs.store.call import Call
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.schedules import Planned, TickAnswer, Ticked, agenda, offers, plan, suspend, tick
from store.queue_system import LEASE_MS, START_MS, QueueSystem

YEAR_MS = 31_536_000_000
PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")


def entry(**changes: Any) -> str:
    base = {"job": "n", "payload": '{"args":[1]}', "priority": 0, "fields": [], "overlap": True, "every_ms": 1000}
    return json.dumps(base | changes, sort_keys=True)


def publish(system: QueueSystem, *names: str, app: str = "shop:app", **changes: Any) -> int:
    return system.run(plan("q", LEASE_MS, app, dict.fromkeys(names or ("s",), entry(**changes))))


def schedules(system: QueueSystem) -> dict[str, Planned]:
    found = system.run(agenda("q")).schedules
    return {planned.name: planned for planned in found or ()}


def number(system: QueueSystem) -> int:
    return int(system.run(agenda("q")).number)


def run_tick(system: QueueSystem, since_ms: int | None, *ticks: int, to: int | None = None, name: str = "s") -> Ticked:
    """Tick at the time of the last tick; ``to``: since when ticks are to come then."""
    new = to if to is not None else ticks[-1]
    system.clock.now_ms = max(system.clock.now_ms, new)
    found: Ticked = system.run(tick("q", name, since_ms, new, ticks))
    return found


# plan and agenda


def test_a_new_schedule_counts_from_its_publication(system: QueueSystem) -> None:
    assert publish(system, "s", "t") == 2

    assert schedules(system)["s"] == Planned("s", json.loads(entry()), START_MS, None, "", None, True, ("shop:app",))


def test_publishing_again_changes_nothing(system: QueueSystem) -> None:
    publish(system)
    before = number(system)
    system.clock.advance(5000)
    publish(system)

    assert number(system) == before
    assert schedules(system)["s"].since_ms == START_MS


def test_an_edit_replaces_the_entry_and_new_times_count_from_now(system: QueueSystem) -> None:
    publish(system)
    run_tick(system, START_MS, START_MS + 1000)
    system.clock.advance(60_000)
    before = number(system)
    publish(system, every_ms=7000)

    found = schedules(system)["s"]
    assert (found.since_ms, found.entry and found.entry["every_ms"]) == (START_MS + 61_000, 7000)
    assert (found.ran_ms, found.ran_id) == (START_MS + 1000, f"s-{START_MS + 1000}")
    assert number(system) > before


def test_an_edit_of_anything_else_loses_no_tick(system: QueueSystem) -> None:
    publish(system)
    system.clock.advance(500)
    publish(system, payload='{"args":[2]}')

    assert schedules(system)["s"].since_ms == START_MS
    assert schedules(system)["s"].entry == json.loads(entry(payload='{"args":[2]}'))


def test_who_knows_the_number_is_told_nothing_but_the_time(system: QueueSystem) -> None:
    assert system.run(agenda("q", 0)) == (START_MS, 0, None, None, 0)
    publish(system)
    known = number(system)

    assert system.run(agenda("q", known)) == (START_MS, known, None, None, 0)
    assert system.run(agenda("q", known - 1)).schedules


def test_nothing_new_is_told_in_four_words(system: QueueSystem) -> None:
    publish(system)
    asked = agenda("q", number(system))

    assert len(system.run(Call(asked.script, asked.keys, asked.args, list))) == 4


def test_a_schedule_ends_when_its_offer_does_and_begins_again_with_it(system: QueueSystem) -> None:
    publish(system)
    system.clock.advance(LEASE_MS - 1)
    assert schedules(system)["s"].offered
    system.clock.advance(1)
    assert not schedules(system)["s"].offered
    before = number(system)
    system.offer(*offers("q", "s", "shop:app"))

    assert schedules(system)["s"].offered
    assert number(system) > before, "daemons must look again"


def test_renewing_a_live_offer_keeps_it_and_tells_nobody(system: QueueSystem) -> None:
    publish(system)
    digest = system.offer(*offers("q", "s", "shop:app"))
    system.tend()
    before = number(system)
    system.clock.advance(LEASE_MS // 2)
    assert system.run(leases.renew(["q"], LEASE_MS, [], [digest]))[0].unknown == set()
    system.clock.advance(LEASE_MS - 1)

    assert schedules(system)["s"].offered
    assert number(system) == before
    assert system.meta("unpark") is None


def test_publishing_an_ended_schedule_tells_daemons(system: QueueSystem) -> None:
    publish(system)
    system.clock.advance(LEASE_MS)
    before = number(system)
    publish(system)

    assert number(system) > before
    assert schedules(system)["s"].since_ms == START_MS, "what was missed is still to come"


def test_a_schedule_that_moved_to_another_queue_is_not_offered_in_the_old_one(system: QueueSystem) -> None:
    publish(system)
    system.clock.advance(LEASE_MS)
    system.offer(*offers("new", "s", "shop:app"))

    assert not schedules(system)["s"].offered


def test_a_schedule_says_which_apps_offer_it_as_long_as_each_does(system: QueueSystem) -> None:
    publish(system, "s", "mine")
    before = number(system)
    publish(system, app="blog:app", every_ms=500)
    assert number(system) > before, "daemons must look again"
    assert schedules(system)["s"].apps == ("blog:app", "shop:app")
    assert schedules(system)["mine"].apps == ("shop:app",)

    system.clock.advance(LEASE_MS - 1)
    system.offer(*offers("q", "s", "shop:app"))
    system.clock.advance(1)
    assert schedules(system)["s"].apps == ("shop:app",)


def test_what_nobody_offered_for_a_year_is_forgotten_with_all_there_is_of_it(system: QueueSystem) -> None:
    publish(system, "old", "paused")
    system.run(suspend("q", "paused"))
    system.clock.advance(YEAR_MS)
    publish(system, "new")
    assert set(schedules(system)) == {"old", "paused", "new"}
    system.clock.advance(1)
    publish(system, "new")

    assert set(schedules(system)) == {"new"}
    assert system.redis("HKEYS", system.key("ticks")) == [b"new"]
    assert system.redis("EXISTS", system.key("paused")) == 0


def test_what_comes_every_few_years_is_not_forgotten_while_somebody_offers_it(system: QueueSystem) -> None:
    publish(system, "leap")
    system.clock.advance(2 * YEAR_MS)
    system.offer(*offers("q", "leap", "shop:app"))
    publish(system, "new")

    assert set(schedules(system)) == {"leap", "new"}


# tick


def test_a_tick_enqueues_its_job_and_moves_on(system: QueueSystem) -> None:
    publish(system, priority=3, payload='{"args":["ü","\\u0000"]}')
    due = START_MS + 1000

    assert run_tick(system, START_MS, due) == (TickAnswer.DONE, due, 1)
    assert system.ids("ready") == [f"s-{due}"]
    job = system.job(f"s-{due}")
    assert (job["name"], job["priority"]) == ("n", "3")
    assert job["payload"].encode("latin-1").decode() == '{"args":["ü","\\u0000"]}'
    assert system.wakes()
    assert schedules(system)["s"][2:5] == (due, due, f"s-{due}")


def test_the_second_of_two_daemons_comes_too_late(system: QueueSystem) -> None:
    publish(system)
    due = START_MS + 1000
    run_tick(system, START_MS, due)
    before = system.everything()

    assert run_tick(system, START_MS, due) == (TickAnswer.TAKEN, due, 0)
    assert system.everything() == before


def test_a_tick_whose_job_has_run_and_is_gone_is_still_taken(system: QueueSystem) -> None:
    publish(system)
    due = START_MS + 1000
    run_tick(system, START_MS, due)
    system.round(Kind.DONE)

    assert run_tick(system, START_MS, due).answer is TickAnswer.TAKEN
    assert system.ids("ready") == []


def test_several_ticks_are_several_jobs_in_order(system: QueueSystem) -> None:
    publish(system)
    due = [START_MS + n * 1000 for n in range(1, 4)]

    assert run_tick(system, START_MS, *due) == (TickAnswer.DONE, due[-1], 3)
    assert system.ids("ready") == [f"s-{each}" for each in due]


def test_ticks_can_be_skipped(system: QueueSystem) -> None:
    publish(system)

    assert run_tick(system, START_MS, to=START_MS + 5000) == (TickAnswer.DONE, START_MS + 5000, 0)
    assert system.ids("ready") == []
    assert schedules(system)["s"].ran_ms is None


@pytest.mark.parametrize("ticks", [(), (START_MS + 2000,)])
def test_a_tick_that_has_not_come_by_the_clock_of_redis_is_early(system: QueueSystem, ticks: tuple[int, ...]) -> None:
    publish(system)
    system.clock.advance(1999)
    before = system.everything()

    answer = system.run(tick("q", "s", START_MS, START_MS + 2000, ticks))
    assert answer == (TickAnswer.EARLY, START_MS, 0)
    assert system.everything() == before


def test_nothing_is_enqueued_for_an_ended_a_paused_or_an_unknown_schedule(system: QueueSystem) -> None:
    publish(system, "s", "t")
    system.run(suspend("q", "t"))
    assert run_tick(system, START_MS, START_MS + 1000, name="t").answer is TickAnswer.PAUSED
    assert run_tick(system, None, START_MS + 1000, name="x").answer is TickAnswer.GONE
    system.clock.advance(LEASE_MS)
    assert run_tick(system, START_MS, START_MS + 1000).answer is TickAnswer.ENDED

    assert system.ids("ready") == []


@pytest.mark.parametrize("broken", ["no", "[]", "{}", '{"job":1,"payload":"{}"}', '{"job":"n"}'])
def test_an_entry_that_cannot_be_read_enqueues_nothing(system: QueueSystem, broken: str) -> None:
    publish(system)
    system.redis("HSET", system.key("schedule"), "s", broken)
    before = system.everything()
    system.clock.advance(1000)

    assert system.run(tick("q", "s", START_MS, START_MS + 1000, [START_MS + 1000])).answer is TickAnswer.GONE
    assert system.everything() == before


def test_lost_progress_is_started_anew(system: QueueSystem) -> None:
    publish(system)
    system.redis("DEL", system.key("ticks"))

    assert schedules(system)["s"].since_ms is None
    assert run_tick(system, None, to=START_MS) == (TickAnswer.DONE, START_MS, 0)


def test_without_overlap_a_tick_waits_for_no_run_and_is_skipped(system: QueueSystem) -> None:
    publish(system, overlap=False)
    first, second, third = (START_MS + n * 1000 for n in (1, 2, 3))
    run_tick(system, START_MS, first)
    [job] = system.take()
    assert run_tick(system, first, second) == (TickAnswer.DONE, second, 0)
    assert schedules(system)["s"][2:5] == (second, first, f"s-{first}")
    system.settle("w", job)

    assert run_tick(system, second, third) == (TickAnswer.DONE, third, 1)
    assert system.ids("ready") == [f"s-{third}"]


def test_without_overlap_a_tick_takes_the_place_of_a_run_that_waits_for_its_next_try(system: QueueSystem) -> None:
    publish(system, overlap=False)
    first, second, third = (START_MS + n * 1000 for n in (1, 2, 3))
    run_tick(system, START_MS, first)
    system.round(Kind.FAILED, 3_600_000)

    assert run_tick(system, first, second) == (TickAnswer.DONE, second, 1)
    assert schedules(system)["s"][2:5] == (second, second, f"s-{first}")
    assert (system.ids("ready"), system.ids("scheduled")) == ([f"s-{first}"], [])
    assert system.counters(f"s-{first}") == {"failures": 1, "executions": 1}, "fails every time: dead in the end"
    assert run_tick(system, second, third).made == 0, "what is ready is not replaced"


def test_a_tick_takes_the_place_of_a_run_that_has_crashed_its_worker_which_still_counts(system: QueueSystem) -> None:
    publish(system, overlap=False)
    run_tick(system, START_MS, START_MS + 1000)
    system.take()
    system.run(leases.leave("q", "w", "killed", [BoardEntry(f"s-{START_MS + 1000}", 1, "crashed")]))

    assert run_tick(system, START_MS + 1000, START_MS + 2000).made == 1
    assert system.ids("ready") == [f"s-{START_MS + 1000}"]
    assert system.counters(f"s-{START_MS + 1000}")["crashes"] == 1


def test_with_overlap_each_tick_is_a_job(system: QueueSystem) -> None:
    publish(system)
    run_tick(system, START_MS, START_MS + 1000)
    system.take()

    assert run_tick(system, START_MS + 1000, START_MS + 2000).made == 1


def test_options_reach_the_job_and_expiry_counts_from_the_tick(system: QueueSystem) -> None:
    publish(system, fields=["max_attempts", "9", "expires", "+60000", "timeout", "5000"])
    run_tick(system, START_MS, START_MS + 1000)

    job = system.job(f"s-{START_MS + 1000}")
    assert (job["max_attempts"], job["timeout"], float(job["expires"])) == ("9", "5000", START_MS + 61_000)
    [taken] = system.take()
    assert taken.timeout_ms == 5000


def test_a_paused_queue_is_not_woken_by_a_tick(system: QueueSystem) -> None:
    publish(system)
    system.run(upkeep.pause("q"))
    run_tick(system, START_MS, START_MS + 1000)

    assert system.ids("ready") == [f"s-{START_MS + 1000}"]
    assert not system.wakes()


def test_the_entry_in_the_documentation_is_one(system: QueueSystem) -> None:
    example = PROTOCOL.split("\n## Schedules\n", 1)[1].split("```", 2)[1]
    system.run(plan("q", LEASE_MS, "shop:app", {"nightly": example}))
    due = START_MS + 1000

    assert run_tick(system, START_MS, due, name="nightly").answer is TickAnswer.DONE
    job = system.job(f"nightly-{due}")
    assert (job["name"], job["payload"], job["max_attempts"]) == ("nightly_report", '{"args":["all"]}', "5")
    assert [str(read_entry(planned.entry or {})[0]) for planned in schedules(system).values()] == [
        "0 3 * * * Europe/Paris"
    ]


# suspend


def test_a_pause_outlives_every_publication_and_ends_by_resume_only(system: QueueSystem) -> None:
    publish(system)
    before = number(system)
    assert system.run(suspend("q", "s")) == 1
    assert number(system) > before
    assert system.run(suspend("q", "s")) == 0
    publish(system, every_ms=9000)
    assert schedules(system)["s"].paused_ms == START_MS
    system.clock.advance(50_000)
    publish(system, every_ms=9000)
    before = number(system)
    assert system.run(suspend("q", "s", resume=True)) == 1

    assert number(system) > before
    assert schedules(system)["s"].paused_ms is None
    assert schedules(system)["s"].since_ms == START_MS + 50_000, "what was missed is not caught up on"
    assert system.run(suspend("q", "s", resume=True)) == 0


def test_what_is_not_there_cannot_be_paused(system: QueueSystem) -> None:
    assert system.run(suspend("q", "s")) == -1
    assert system.run(suspend("q", "s", resume=True)) == -1
    assert system.everything() == {}


# A full Redis


def test_at_maxmemory_a_tick_is_refused_and_all_else_works(real_system: QueueSystem) -> None:
    system = real_system
    publish(system, "s", "t")
    due = START_MS + 1000
    system.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            run_tick(system, START_MS, due)
        assert run_tick(system, START_MS, to=due, name="t").answer is TickAnswer.DONE
        assert publish(system, "s", "u") == 3
        assert system.run(suspend("q", "s")) == 1
        assert system.run(suspend("q", "s", resume=True)) == 1
    finally:
        system.redis("CONFIG", "SET", "maxmemory", 0)

    assert schedules(system)["s"].since_ms == due
    assert system.ids("ready") == []
