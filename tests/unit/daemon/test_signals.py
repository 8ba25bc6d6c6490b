"""Which signal does what: recorded by the handler, done when the main loop comes to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from jqjobs.daemon.signals import ACTIONS, SignalInbox
from log_lines import Lines


class Controls:
    """What the daemon was told."""

    wanted = 3

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *facts: self.told.append(" ".join([name, *map(str, facts)]))


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    """An inbox whose handlers are in place; those of pytest come back."""
    before = {number: signal.getsignal(number) for number in (*ACTIONS, signal.SIGCHLD, signal.SIGPIPE)}
    made = SignalInbox()
    made.install()
    yield made
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    made.wakeup.close()


@pytest.fixture
def controls() -> Any:
    return Controls()


def send(*numbers: signal.Signals) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "does"),
    [
        (signal.SIGTERM, "drain"), (signal.SIGINT, "drain"), (signal.SIGQUIT, "stop_now"), (signal.SIGHUP, "reload"),
        (signal.SIGUSR2, "quiet"), (signal.SIGCONT, "resume"), (signal.SIGTTIN, "resize 4"),
        (signal.SIGTTOU, "resize 2"), (signal.SIGUSR1, "dump"),
    ],
)  # fmt: skip
def test_each_signal_is_done_once(
    inbox: SignalInbox, controls: Any, logged: Lines, number: signal.Signals, does: str
) -> None:
    send(number)
    assert controls.told == [], "the handler only records"
    inbox.perform(controls)
    inbox.perform(controls)
    assert controls.told == [does]
    assert [line["name"] for line in logged.of("signal")] == [number.name]


def test_signals_are_done_in_the_order_in_which_they_came(inbox: SignalInbox, controls: Any, logged: Lines) -> None:
    send(signal.SIGUSR2, signal.SIGCONT, signal.SIGUSR2)
    inbox.perform(controls)
    assert controls.told == ["quiet", "resume", "quiet"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_second_interrupt_stops_at_once(inbox: SignalInbox, controls: Any, logged: Lines, at_once: bool) -> None:
    for _ in range(2):
        send(signal.SIGINT)
        if not at_once:
            inbox.perform(controls)
    inbox.perform(controls)
    assert controls.told == ["drain", "stop_now"]


def test_a_second_term_is_no_more_than_the_first(inbox: SignalInbox, controls: Any, logged: Lines) -> None:
    send(signal.SIGTERM)
    inbox.perform(controls)
    send(signal.SIGTERM, signal.SIGINT)
    inbox.perform(controls)
    assert controls.told == ["drain"] * 3


def test_during_the_boot_only_what_ends_the_daemon_ends_the_wait(inbox: SignalInbox, controls: Any) -> None:
    send(signal.SIGHUP)
    assert not inbox.wait_for_end(5)
    assert not inbox.asks_for_end
    send(signal.SIGTERM)
    assert inbox.wait_for_end(5)
    inbox.perform(controls)
    assert controls.told == ["reload", "drain"], "nothing is lost"
