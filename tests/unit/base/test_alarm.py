from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from threading import Event, Thread

import pytest

from jqjobs.base.alarm import Alarm, TimerAlarm, alarm

AFTER_S = 0.2
MAKERS: list[Callable[[], Alarm]] = [lambda: TimerAlarm(AFTER_S), Event]


@pytest.fixture(params=MAKERS, ids=["timer", "event"])
def either(request: pytest.FixtureRequest) -> Alarm:
    found: Alarm = request.param()
    return found


def woken_by(alarm: Alarm) -> Event:
    """Return what is set when a thread that waits for it goes on."""
    woken = Event()

    def wait() -> None:
        alarm.wait()
        woken.set()

    Thread(target=wait, daemon=True).start()
    return woken


def waited_s(alarm: Alarm, timeout_s: float | None = None) -> float:
    began = time.monotonic()
    alarm.wait(timeout_s)
    return time.monotonic() - began


def test_who_waits_is_not_woken_before_its_time() -> None:
    alarm = TimerAlarm(AFTER_S)
    woken = woken_by(alarm)
    began = time.monotonic()
    alarm.set()
    assert woken.wait(10)
    assert time.monotonic() - began >= AFTER_S


def test_what_is_set_again_and_again_is_not_put_off() -> None:
    alarm = TimerAlarm(AFTER_S)
    woken, until = woken_by(alarm), time.monotonic() + 20
    while not woken.is_set() and time.monotonic() < until:
        alarm.set()
    assert woken.is_set()


def test_it_is_noticed_until_it_is_cleared_and_can_be_set_anew(either: Alarm) -> None:
    for _ in range(2):
        assert not either.is_set()
        either.set()
        assert either.is_set()
        assert waited_s(either) < 30
        assert waited_s(either) < 30, "it goes on"
        either.clear()
        assert waited_s(either, 0.05) >= 0.04


def test_what_was_cleared_before_its_time_does_not_come() -> None:
    alarm = TimerAlarm(AFTER_S)
    alarm.set()
    alarm.clear()
    assert waited_s(alarm, 2 * AFTER_S) >= 2 * AFTER_S


def test_it_is_set_while_somebody_waits_for_it(either: Alarm) -> None:
    woken = woken_by(either)
    assert not woken.wait(0.05)
    either.set()
    assert woken.wait(30)


@pytest.mark.parametrize("closed", ["before", "meanwhile"])
def test_a_job_that_closes_its_descriptor_delays_it_for_a_moment(closed: str) -> None:
    alarm = TimerAlarm(AFTER_S)
    if closed == "before":
        os.close(alarm._timer)
    woken = woken_by(alarm)
    if closed == "meanwhile":
        assert not woken.wait(0.05)
        os.close(alarm._timer)
    alarm.set()
    assert woken.wait(30)
    began = time.monotonic()
    alarm.wait()
    assert alarm.is_set()
    assert time.monotonic() - began < 30, "it is another timer"


def test_a_limit_of_no_descriptors_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def register(self, *_: object) -> None:
            pass

        def poll(self, _: object) -> list[tuple[int, int]]:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(select, "poll", Refused)
    assert waited_s(TimerAlarm(AFTER_S)) < 30


def test_where_there_are_no_such_timers_it_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    found = alarm(3600)
    found.set()
    assert waited_s(found) < 30
