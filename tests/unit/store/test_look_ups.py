"""Looking names up: within a time, once for all who want to know, and what then comes of it."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs.store import look_ups
from jqjobs.store.look_ups import look_up

PLACES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 6379))]


class Names:
    """Servers of names, which say nothing until ``answers`` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = 0

    def ask(self, host: str, port: int, *, type: int, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        self.asked += 1
        assert self.answers.wait(30)
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return PLACES


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.ask)
    return made


def test_a_name_is_asked_for_once_however_many_want_to_know_and_again_later(names: Names) -> None:
    soon_s = time.monotonic() + 0.05
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="takes too long"):
            look_up("redis", 6379, soon_s)
    with ThreadPoolExecutor() as others:
        waiting = [others.submit(look_up, "redis", 6379, time.monotonic() + 30) for _ in range(3)]
        names.answers.set()
        assert [each.result() for each in waiting] == [PLACES] * 3
    assert names.asked == 1
    assert look_up("redis", 6379, time.monotonic() + 30) == PLACES
    assert names.asked == 2, "an address may change"


def test_who_asks_while_a_question_has_stood_for_long_asks_anew(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for asked, stale_s in ((1, 60.0), (1, 60.0), (2, 0.0)):
        monkeypatch.setattr(look_ups, "_STALE_S", stale_s)
        with pytest.raises(socket.gaierror, match="takes too long"):
            look_up("redis", 6379, time.monotonic() + 0.05)
        assert names.asked == asked
    names.answers.set()


def test_where_there_may_be_no_more_threads_it_is_asked_for_without(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(look_ups._LookUp, "start", start)
    names.answers.set()
    with pytest.raises(socket.gaierror, match="not known"):
        look_up("unknown", 6379, time.monotonic() + 30)
    assert look_up("redis", 6379, time.monotonic() + 30) == PLACES
