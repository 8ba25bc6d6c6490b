from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from jqjobs.base.wakeup import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def has_rung(wakeup: Wakeup, wait_s: float = 0) -> bool:
    return bool(select.select([wakeup], [], [], wait_s)[0])


def test_a_ring_ends_the_wait_of_another_thread(wakeup: Wakeup) -> None:
    threading.Timer(0.05, wakeup.ring).start()
    start = time.monotonic()
    assert has_rung(wakeup, 10)
    assert time.monotonic() - start < 5


def test_a_ring_before_the_wait_is_not_lost(wakeup: Wakeup) -> None:
    wakeup.ring()
    assert has_rung(wakeup)


def test_many_rings_are_one_wake_up_and_none_of_them_blocks(wakeup: Wakeup) -> None:
    for _ in range(100_000):  # far more than the kernel keeps
        wakeup.ring()
    assert has_rung(wakeup)
    wakeup.clear()
    assert not has_rung(wakeup)


def test_clearing_what_never_rang_does_not_wait(wakeup: Wakeup) -> None:
    wakeup.clear()
    assert not has_rung(wakeup)


def test_a_signal_rings(wakeup: Wakeup) -> None:
    handler = signal.signal(signal.SIGUSR2, lambda *_: None)
    before = signal.set_wakeup_fd(-1)
    try:
        wakeup.ring_at_signals()
        os.kill(os.getpid(), signal.SIGUSR2)
        assert has_rung(wakeup, 10)
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGUSR2, handler)


def test_who_rings_after_the_end_does_no_harm(wakeup: Wakeup) -> None:
    wakeup.close()
    wakeup.ring()
