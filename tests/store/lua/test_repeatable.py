"""What a `Call` says of itself is true: one that is repeatable brings nothing back to life, whenever it comes again."""

from __future__ import annotations

import pytest

from store.lua.script_calls import CALLS
from store.queue_system import STATES, QueueSystem

REPEATABLE = sorted(name for name, call in CALLS.items() if call.repeatable)


def a_dead_one_and_a_ready_one(system: QueueSystem) -> None:
    system.add("a")
    system.push({"job": "n"})
    system.run(CALLS["plan"])
    system.run(CALLS["cancel"])
    system.add("other")


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_repeatable_call_that_comes_again_brings_no_job_back(system: QueueSystem, name: str) -> None:
    a_dead_one_and_a_ready_one(system)
    system.run(CALLS[name])
    system.start_all("quick")
    before = {state: system.ids(state) for state in STATES}
    system.run(CALLS[name])
    assert {state: system.ids(state) for state in STATES} == before


def test_what_brings_jobs_in_or_takes_them_is_not_repeatable() -> None:
    assert not {"enqueue", "ingest", "exchange", "retry", "resolve", "tick", "deaths", "delete", "promote"} & set(
        REPEATABLE
    )
