"""Runs the state machine of batches and chains; steps and seed as in `test_machine`."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from property.flow_machine import FlowMachine
from property.test_machine import SEED, SETTINGS, STEPS
from servers import Server
from store.queue_system import QueueSystem


def test_batches_and_chains_keep_their_promises(
    start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    system, done, started = QueueSystem(start_server("valkey").url), 0, time.monotonic()

    def count() -> None:
        nonlocal done
        done += 1

    run = 0
    while done < STEPS // 2:
        parts = {"begin": staticmethod(lambda: system), "count": staticmethod(count)}
        machine = seed(SEED * 1_000_000 + run)(type("SeededFlowMachine", (FlowMachine,), parts))
        run_state_machine_as_test(machine, settings=SETTINGS)
        run += 1
    system.close()
    with capsys.disabled():
        print(f"\nbatches and chains: {done} steps, seed {SEED}, {time.monotonic() - started:.0f} s")
