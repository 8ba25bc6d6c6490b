"""lua/pause.lua: until when a queue is paused, by whom and why, and what ends it."""

from __future__ import annotations

import pytest

from jqjobs.jobs.selector import Selector
from jqjobs.store.calls import upkeep
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.reads.search import Cursor, search
from store.queue_system import START_MS, QueueSystem


def status(system: QueueSystem) -> QueueStatus:
    found: QueueStatus = system.run(queue_status("q"))
    return found


def pause(system: QueueSystem, until: str = "+1000", reason: str = "the provider is down") -> bool:
    changed: bool = system.run(upkeep.pause("q", until, "ann@web1", reason))
    return changed


def is_paused(system: QueueSystem) -> bool:
    return status(system).paused_ms is not None


def test_a_pause_says_until_when_by_whom_and_why(system: QueueSystem) -> None:
    pause(system)
    found = status(system)
    assert (found.paused_ms, found.paused_until_ms) == (START_MS, START_MS + 1000)
    assert (found.paused_by, found.paused_reason) == ("ann@web1", "the provider is down")


def test_what_is_said_is_one_visible_line_of_bounded_length(system: QueueSystem) -> None:
    system.run(upkeep.pause("q", "", "ann\n \x1b[31m", "one\ntwo " + "x" * 1000))
    found = status(system)
    assert found.paused_by == "ann \\x1b[31m"
    assert (found.paused_reason or "").startswith("one two xxx")
    assert len(found.paused_reason or "") == 500


@pytest.mark.parametrize(
    ("until", "reason", "now"),
    [("", "", (1000, "why")), ("", "another", (1000, "another")), ("+5000", "", (5000, "why"))],
)
def test_who_pauses_it_again_changes_what_they_give(
    system: QueueSystem, until: str, reason: str, now: tuple[int, str]
) -> None:
    pause(system, reason="why")
    assert pause(system, until, reason) is bool(until or reason)
    found = status(system)
    assert ((found.paused_until_ms or 0) - START_MS, found.paused_reason) == now
    system.clock.advance(now[0])
    system.tend()
    assert not is_paused(system)


@pytest.mark.parametrize("until", ["+1000", str(START_MS + 1000)])
def test_at_its_moment_a_worker_that_comes_takes_what_is_there(system: QueueSystem, until: str) -> None:
    system.add("a")
    pause(system, until)
    system.clock.advance(999)
    assert system.take("w") == []
    system.clock.advance(1)
    assert [job.id for job in system.take("w")] == ["a"]
    assert not is_paused(system)


def test_an_idle_worker_is_told_when_to_come_back(system: QueueSystem) -> None:
    pause(system)
    system.join("w")
    assert system.trip("w", 1).wait_ms == 1000


def test_housekeeping_ends_a_pause_and_wakes_a_worker(system: QueueSystem) -> None:
    system.add("a")
    pause(system)
    system.clock.advance(1000)
    system.use_up_token()
    system.tend()
    assert (is_paused(system), system.wakes()) == (False, True)


def test_a_pause_whose_timer_was_lost_ends_with_the_housekeeping(system: QueueSystem) -> None:
    pause(system)
    system.redis("DEL", system.key("scheduled"))
    system.clock.advance(1000)
    system.tend()
    assert not is_paused(system)


def test_a_clock_that_went_back_only_puts_the_end_off(system: QueueSystem) -> None:
    pause(system)
    system.clock.advance(-3_600_000)
    system.tend()
    assert is_paused(system)
    system.clock.advance(3_601_000)
    system.tend()
    assert not is_paused(system)


def test_one_more_pause_gives_another_reason_and_keeps_its_moments(system: QueueSystem) -> None:
    pause(system)
    system.clock.advance(500)
    assert system.run(upkeep.pause("q")) is False
    assert status(system).paused_by == "ann@web1"
    assert pause(system, "", "for good") is True
    assert (status(system).paused_ms, status(system).paused_until_ms) == (START_MS, START_MS + 1000)
    assert status(system).paused_reason == "for good"


def test_resuming_forgets_what_was_said_and_the_moment(system: QueueSystem) -> None:
    pause(system)
    assert system.run(upkeep.resume("q")) is True
    assert system.ids("scheduled") == []
    system.run(upkeep.pause("q"))
    system.clock.advance(5000)
    system.tend()
    assert (is_paused(system), status(system).paused_by, status(system).paused_reason) == (True, None, None)


def test_whoever_pauses_and_resumes_by_the_field_alone_is_not_bound_by_an_older_moment(system: QueueSystem) -> None:
    pause(system)
    system.redis("HDEL", system.key("meta"), "paused")
    assert not is_paused(system)
    system.redis("HSET", system.key("meta"), "paused", START_MS + 10)
    assert (status(system).paused_until_ms, status(system).paused_reason) == (None, None)
    system.clock.advance(5000)
    system.tend()
    assert is_paused(system)


def test_the_timer_of_a_pause_is_no_job(system: QueueSystem) -> None:
    pause(system)
    system.add("later", due="+5000")
    page = system.run(search("q", Selector(), Cursor("scheduled")))
    assert (status(system).scheduled, page.total, [row.id for row in page.rows]) == (1, 1, ["later"])


@pytest.mark.parametrize("note", ["", "x", f"{START_MS} 99999999999999999999 who\nwhy", f"{START_MS}  who", "\n"])
def test_a_note_that_cannot_be_read_is_none(system: QueueSystem, note: str) -> None:
    pause(system)
    system.redis("HSET", system.key("meta"), "pause_note", note)
    assert (is_paused(system), status(system).paused_until_ms) == (True, None)
    assert system.run(upkeep.resume("q")) is True
