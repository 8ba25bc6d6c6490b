"""`jqctl top` and `--watch` against a real server; in a terminal of their own where that is the point."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import jqjobs
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import daemons, upkeep
from jqjobs.store.calls.statistics import add_statistics
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"
HIDDEN, VISIBLE = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def busy(system: QueueSystem) -> QueueSystem:
    """One queue in which a job has died, and another one runs that has been measured before."""
    system.store.run(upkeep.add_queues(["q"]))
    system.add("dies", "runs")
    for job in system.take(want=1):
        system.settle("w", job, Kind.DISCARDED, text="ValueError: boom")
    [job] = system.take("h:1:a")
    system.run(add_statistics("q", {"n": {"started": 2, "done": 1, "run:3": 1, "wait:0": 95, "wait:4": 5}}))
    listed = json.dumps([{"id": job.id, "name": job.name, "queue": "q", "attempt": 1, "running_ms": 5000}])
    worker = {"daemon": "d1", "pid": 1, "state": "busy", "jobs": listed}
    system.run(daemons.register("d1", 60_000, {"name": "web", "queues": "q", "workers": "h:1:a"}, {"h:1:a": worker}))
    return system


def test_top_once_as_json_has_the_shape_that_others_rely_on(busy: QueueSystem, terminal: Terminal) -> None:
    answer = terminal.json("top", "--once")
    assert set(answer) == {"head", "queues", "running", "dead"}
    head = answer["head"]
    assert set(head) == {"jobs_per_s", "failures_per_s", "wait_p95_ms", "memory_bytes"}
    assert head["failures_per_s"] > 0
    assert (head["wait_p95_ms"], head["memory_bytes"] > 0) == (5, True)
    assert answer["queues"][0].keys() == terminal.json("status")["queues"][0].keys()
    [running] = answer["running"]
    assert running.pop("elapsed_ms") >= 5000
    assert running == {"id": "runs", "queue": "q", "name": "n", "worker": "h:1:a", "p95_ms": 40}
    [dead] = answer["dead"]
    assert dead.pop("died_ms") > 0
    assert dead == {"id": "dies", "queue": "q", "name": "n", "error": "ValueError: boom"}


def test_top_once_tells_people_the_same_and_ends(busy: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("top", "--once") == 0
    for words in ("failures/s", "wait p95 5ms", "q/runs", "ago  q/dies", "discarded: ValueError: boom"):
        assert words in terminal.out
    assert terminal.run("top", "--once", "-o", "ids") == 0
    assert terminal.out == "q/runs\n"


def test_the_latest_deaths_come_first_and_not_the_oldest(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    names = [f"j{n}" for n in range(30)]
    system.add(*names)
    for n, job in enumerate(system.take(want=30)):
        system.settle("w", job, Kind.DISCARDED, text="boom")
        system.redis("ZADD", system.key("dead"), n + 1, job.id)
    assert terminal.run("top", "--once", "-o", "table") == 0
    assert [line.split("q/")[1].split()[0] for line in terminal.out.splitlines() if " q/" in line] == names[:9:-1]


def environment(system: QueueSystem) -> dict[str, str]:
    root = str(Path(jqjobs.__file__).parents[1])
    return os.environ | {"JQ_REDIS_URL": system.url, "PYTHONPATH": root, "TERM": "xterm"}


@pytest.mark.parametrize("command", [("status",), ("queue", "list"), ("daemon", "list"), ("top",),
                                     ("job", "list", "--queue", "q", "--state", "dead")])  # fmt: skip
def test_a_watched_answer_in_a_pipe_is_one_object_a_line(busy: QueueSystem, command: tuple[str, ...]) -> None:
    often = "--every" if command == ("top",) else "--watch"
    words = [sys.executable, "-m", "jqjobs.cli.jqctl", *command, "--json", often, "200ms"]
    with subprocess.Popen(words, env=environment(busy), stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        try:
            answers = [json.loads(watching.stdout.readline()) for _ in range(2)]
        finally:
            watching.kill()
    assert answers[0].keys() == answers[1].keys()


class Screened:
    """jqctl in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.shown = b""

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def wait_for(self, text: bytes) -> None:
        """Read until a text has come. It is not looked for in what came before the last call."""
        until_s, start = time.monotonic() + 30, len(self.shown)
        while text not in self.shown[start:]:
            assert time.monotonic() < until_s, (text, self.shown[start:])
            self._read()

    def end(self) -> int:
        code = self.process.wait(30)
        while self._read():
            pass
        return code

    def _read(self) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], 0.5)
        read = os.read(self.terminal, 65536) if ready else b""
        self.shown += read
        return bool(read)


@contextmanager
def screened(system: QueueSystem, *words: str) -> Iterator[Screened]:
    """Start jqctl where it may paint."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "jqjobs.cli.jqctl", *words]
    process = subprocess.Popen(command, env=environment(system), stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True)  # fmt: skip
    before = termios.tcgetattr(theirs)
    try:
        made = Screened(process, ours)
        yield made
        made.end()
        assert termios.tcgetattr(theirs) == before
        assert made.shown.rfind(ALTERNATE) < made.shown.rfind(BACK)
        assert made.shown.rfind(HIDDEN) < made.shown.rfind(VISIBLE)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_q_ends_it_and_the_terminal_is_as_before(busy: QueueSystem) -> None:
    with screened(busy, "top") as top:
        top.wait_for(b"q/runs")
        assert b"\x1b[2J" not in top.shown[top.shown.find(b"q/runs") :]  # painted over, not cleared
        top.press(b"q")
        assert top.end() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_and_the_terminal_is_as_before(busy: QueueSystem, number: signal.Signals, code: int) -> None:
    with screened(busy, "status", "--watch") as status:
        status.wait_for(b"DAEMON web")
        status.process.send_signal(number)
        assert status.end() == code


def test_where_redis_goes_away_that_is_said_and_it_goes_on(busy: QueueSystem) -> None:
    with screened(busy, "top", "--every", "200ms") as top:
        top.wait_for(b"q/runs")
        busy.redis("CONFIG", "SET", "maxclients", "1")
        busy.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        top.wait_for(b"! Redis at")
        busy.redis("CONFIG", "SET", "maxclients", "10000")
        top.wait_for(b"q/runs")
        top.press(b"q")


def test_what_breaks_a_look_is_told_once_the_terminal_is_as_before(busy: QueueSystem) -> None:
    with screened(busy, "queue", "list", "--watch", "200ms") as watched:
        watched.wait_for(b"QUEUE")
        busy.redis("SET", "jq:{~}:queues", "not a set")
        assert watched.end() == 1
    assert b"WRONGTYPE" in watched.shown[watched.shown.rfind(BACK) :]
