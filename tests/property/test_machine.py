"""Runs the state machine: as many steps as JQ_TEST_STEPS says, from the seed that JQ_TEST_SEED says.

JQ_TEST_STEPS=500000 JQ_TEST_SEED=7 pytest tests/property -s
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from property.machine import Machine
from property.system import System
from servers import Server
from store.queue_system import Clock

STEPS = int(os.environ.get("JQ_TEST_STEPS", "4000"))
SEED = int(os.environ.get("JQ_TEST_SEED", "1"))
STEPS_PER_STORY, STORIES_PER_RUN = 100, 50

SETTINGS = settings(
    max_examples=STORIES_PER_RUN,
    print_blob=False,
    stateful_step_count=STEPS_PER_STORY,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),  # `explain` traces every line, which takes minutes here
    suppress_health_check=list(HealthCheck),
)


def test_the_scripts_do_what_the_model_says(
    start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    clock, done, started = Clock(), 0, time.monotonic()
    store = Store(parse_url(start_server("valkey").url), now_ms=clock)

    def count() -> None:
        nonlocal done
        done += 1

    run = 0
    while done < STEPS:
        parts = {"begin": staticmethod(lambda: System(store, clock)), "count": staticmethod(count)}
        machine = seed(SEED * 1_000_000 + run)(type("SeededMachine", (Machine,), parts))
        run_state_machine_as_test(machine, settings=SETTINGS)
        run += 1
    store.close()
    with capsys.disabled():
        print(f"\nproperty test: {done} steps, seed {SEED}, {time.monotonic() - started:.0f} s")
