"""The control socket: whole messages only, never blocking, and its end is noticed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from jqjobs.link.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = socket.socketpair()
    channels = Channel(one), Channel(other)
    yield channels
    for channel in channels:
        channel.close()


@pytest.fixture
def raw() -> Iterator[tuple[socket.socket, Channel]]:
    """A peer that may say anything."""
    ours, theirs = socket.socketpair()
    channel = Channel(theirs)
    yield ours, channel
    ours.close()
    channel.close()


def test_messages_arrive_in_order(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    assert other.receive() == []
    one.send("ready", queues=["a"], names=["n\nm"])
    one.send("go")
    assert other.receive() == [{"event": "ready", "queues": ["a"], "names": ["n\nm"]}, {"event": "go"}]
    assert not other.closed


def test_the_end_of_the_peer_is_noticed_after_its_last_words(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send("failed", error="x")
    one.close()
    assert other.receive() == [{"event": "failed", "error": "x"}]
    assert other.closed
    assert other.receive() == []


def test_speaking_to_nobody_is_no_error(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    for _ in range(3):
        one.send("go")
    one.close()
    one.send("go")


def test_half_a_message_waits_for_its_other_half(raw: tuple[socket.socket, Channel]) -> None:
    peer, channel = raw
    peer.sendall(b'{"event": "re')
    assert channel.receive() == []
    peer.sendall(b'ady"}\n{"ev')
    assert channel.receive() == [{"event": "ready"}]


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"5", b'{"no": "event"}', b"\xff\xfe", b"", b"[" * 100_000])
def test_what_is_no_message_is_passed_over(raw: tuple[socket.socket, Channel], line: bytes) -> None:
    peer, channel = raw
    peer.setblocking(False)
    peer.sendall(line + b'\n{"event": "go"}\n')
    assert channel.receive() == [{"event": "go"}]


def test_an_endless_line_closes_the_channel(raw: tuple[socket.socket, Channel]) -> None:
    peer, channel = raw
    for _ in range(40):
        peer.sendall(b"x" * 32_768)
        channel.receive()
        if channel.closed:
            return
    raise AssertionError("it was kept")


def test_who_is_not_patient_waits_for_no_peer_and_loses_no_message() -> None:
    ours, theirs = socket.socketpair()
    daemon, worker = Channel(ours, patient=False), Channel(theirs)
    for number in range(5000):  # more than fits into the socket
        daemon.send("quiet", number=number)
    heard = []
    while len(heard) < 5000:
        found = worker.receive()
        assert found, "the rest is offered with each look"
        heard += found
        daemon.receive()
    assert [message["number"] for message in heard] == list(range(5000))
    daemon.close()
    worker.close()


def test_a_peer_that_never_reads_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    daemon = Channel(ours, patient=False)
    for _ in range(20):
        daemon.send("room", job="x" * 100_000)
    assert daemon.closed
    daemon.close()
    theirs.close()


def test_a_catalog_of_thousands_of_names_gets_through(ends: tuple[Channel, Channel]) -> None:
    import threading

    one, other = ends
    names = [f"name-{n}" for n in range(20_000)]
    sender = threading.Thread(target=lambda: one.send("ready", names=names))
    sender.start()
    found: list[dict[str, object]] = []
    while not found:
        found = other.receive()
    sender.join()
    assert found == [{"event": "ready", "names": names}]
