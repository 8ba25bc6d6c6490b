from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from jqjobs.base.wakeup import Wakeup
from jqjobs.link.channel import Channel
from jqjobs.worker.trips.wake_wait import WakeWait


class Ends(NamedTuple):
    wait: WakeWait
    wakeup: Wakeup
    daemon: Channel


@pytest.fixture
def ends() -> Iterator[Ends]:
    daemon, worker = map(Channel, socket.socketpair())
    wakeup = Wakeup()
    yield Ends(WakeWait([], worker, wakeup), wakeup, daemon)
    for each in (daemon, worker, wakeup):
        each.close()


@pytest.mark.parametrize("does", ["speaks", "goes"])
def test_a_wait_says_whether_the_daemon_has_said_something_also_where_something_else_has_ended_it(
    ends: Ends, does: str
) -> None:
    ends.wakeup.ring()
    assert ends.wait.wait(60)
    assert not ends.wait.has_word
    ends.wakeup.ring()
    if does == "speaks":
        ends.daemon.send("quiet")
    else:
        ends.daemon.close()
    assert ends.wait.wait(60)
    assert ends.wait.has_word
