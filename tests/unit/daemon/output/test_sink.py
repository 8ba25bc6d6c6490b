"""Lines come out whole and in order; what is not taken is counted, and said."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.daemon.output import sink as module
from jqjobs.daemon.output.sink import MOST_PENDING, Sink


def note(count: int) -> bytes:
    return b"(%d lost)\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)


def read_all(end: int, flush: Callable[[], None]) -> bytes:
    """Read until nothing comes any more, though what waits is written."""
    found = b""
    while True:
        flush()
        try:
            found += os.read(end, 65536)
        except BlockingIOError:
            return found


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"%d %s\n" % (nth, b"x" * 5000) for nth in range(first, first + count))


def test_a_reader_that_comes_later_finds_all_in_order(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1], note)
    sink.put(numbered(0, 20))
    sink.flush()
    assert sink.is_pending
    sink.put(numbered(20, 5))
    assert read_all(pipe[0], sink.flush) == numbered(0, 25)
    assert not sink.is_pending


def test_one_that_has_stopped_is_waited_for_once_and_told_what_it_missed(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1], note)
    kept = numbered(0, MOST_PENDING // 5000 + 20)
    sink.put(kept)
    for _ in range(3):
        sink.put(b"a\nb\n")
    assert read_all(pipe[0], sink.flush) == kept
    sink.put(b"again\n")
    assert read_all(pipe[0], sink.flush) == b"(6 lost)\nagain\n"


def test_one_that_is_slow_misses_nothing(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 20.0)
    sink, found = Sink(pipe[1], note), bytearray()
    os.set_blocking(pipe[0], True)

    def read_slowly() -> None:
        while data := os.read(pipe[0], 4096):
            found.extend(data)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    for nth in range(200):
        sink.put(numbered(nth, 1))
    sink.end()
    os.close(pipe[1])
    reader.join()
    assert bytes(found) == numbered(0, 200)


def test_one_that_is_gone_costs_nothing_but_lines(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1], note)
    os.close(pipe[0])
    for _ in range(3):
        sink.put(b"line\n")
        sink.flush()
    sink.end()
    assert not sink.is_pending


def test_a_disk_that_fills_up_in_a_line_leaves_half_of_it_and_the_next_one_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, write = 7, os.write

    def write_until_full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(descriptor, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", write_until_full)
    with (tmp_path / "log").open("wb") as file:
        sink = Sink(file.fileno(), note)
        for line in (b"one\n", b"second\n", b"third\n"):
            sink.put(line)
            sink.flush()
        room = 1000
        sink.put(b"fourth\n")
        sink.flush()
    assert (tmp_path / "log").read_bytes() == b"one\nsec\n(2 lost)\nfourth\n"


def test_a_file_is_only_appended_to_by_whoever_else_has_it_open(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, log.open("wb") as other:
        sink = Sink(file.fileno(), note)
        other.write(b"from elsewhere\n")
        other.flush()
        sink.put(b"ours\n")
        sink.flush()
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_APPEND
    assert log.read_bytes() == b"from elsewhere\nours\n"
