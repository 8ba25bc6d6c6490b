"""Samples of the memory of Redis: one a minute, whoever takes it, of the last hour, and what is told of them."""

from __future__ import annotations

import pytest

from jqjobs.store.calls.memory import sample_memory
from jqjobs.store.reads.memory import read_memory
from store.queue_system import START_MS, QueueSystem

KEY = "jq:{~}:memory"
MINUTE_MS = 60_000


def minutes(system: QueueSystem) -> list[int]:
    found = system.redis("ZRANGE", KEY, 0, -1)
    return [int(member.split()[0]) - START_MS // MINUTE_MS for member in found]


def test_the_first_daemon_of_a_minute_notes_it_and_the_others_find_it_done(system: QueueSystem) -> None:
    assert [system.run(sample_memory(used)) for used in (10, 20)] == [True, False]
    system.clock.advance(MINUTE_MS)
    assert system.run(sample_memory(30))
    minute = START_MS // MINUTE_MS
    assert system.redis("ZRANGE", KEY, 0, -1) == [b"%d 10" % minute, b"%d 30" % (minute + 1)]


def test_an_hour_is_kept(system: QueueSystem) -> None:
    for _ in range(70):
        system.run(sample_memory(10))
        system.clock.advance(MINUTE_MS)
    assert minutes(system) == list(range(10, 70))
    assert 0 < system.redis("PTTL", KEY) <= 3_600_000


def test_what_a_clock_that_was_set_back_has_left_is_forgotten(system: QueueSystem) -> None:
    system.run(sample_memory(10))
    system.clock.advance(-30 * MINUTE_MS)
    assert system.run(sample_memory(20))
    assert minutes(system) == [-30]


@pytest.mark.each_kind
def test_the_growth_is_read_and_what_others_have_put_there_is_not(real_system: QueueSystem) -> None:
    for number in range(20):
        real_system.run(sample_memory(1_000_000 + 6_000 * number))
        real_system.clock.advance(MINUTE_MS)
    real_system.redis("ZADD", KEY, 1, "nonsense", 2, "1 2 3", 3, "x y")
    memory = read_memory(real_system.store)
    assert memory is not None
    assert round(memory.growth_per_s or 0) == 100
    assert memory.used_bytes > 100_000
    assert (memory.is_limited, memory.most_bytes > memory.used_bytes) == (False, True)
