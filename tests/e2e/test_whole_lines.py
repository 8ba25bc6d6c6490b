"""Whole lines, whoever writes them, and wherever they go: two workers at once, long lines, a worker that is killed."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.daemon import DEFAULT_FLAGS, Daemon, Site
from jqjobs.jobs.records import State
from waiting import eventually

APP = """
import ctypes, faulthandler, logging, os, subprocess, sys, time
from jqjobs import App
app = App()
libc = ctypes.CDLL(None)

def line(who, nth):
    return f"<{who} {nth} " + "x" * (3000 + nth * 777 % 40000) + ">"

WRITERS = {
    "print": print,
    "stderr": lambda text: print(text, file=sys.stderr),
    "logging": logging.getLogger("shop").warning,
    "C": lambda text: libc.dprintf(1, b"%s\\n", text.encode()),
    "pieces": lambda text: [os.write(2, piece.encode()) for piece in (text[:100], text[100:], "\\n")],
    "child": lambda text: subprocess.run(["cat"], input=text.encode() + b"\\n", check=True),
}

@app.job
def write(writer, count):
    for nth in range(count):
        WRITERS[writer](line(f"{writer}-{os.getpid()}", nth))

@app.job(max_crashes=1)
def die_in_a_line():
    os.write(1, b"<half a line " + b"y" * 9000)
    os.kill(os.getpid(), 9)

@app.job(max_crashes=1)
def crash_with_a_traceback():
    print("printed before it died")
    faulthandler.enable()
    faulthandler._sigsegv()

@app.job
def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
"""
WRITERS = ("print", "stderr", "logging", "C", "pieces", "child")
COUNT = 25
WHOLE = re.compile(r"<([\w-]+) (\d+) (x+)>")


def start(site: Site, stdout: int, stderr: int, *flags: str) -> Daemon:
    chosen = {**DEFAULT_FLAGS, "--app": site.write_app("writers", APP), "--processes": "2"}
    chosen |= {"--runtime-dir": str(site.directory / "boards"), "--prefetch-ms": "0"}
    chosen |= dict(zip(flags[::2], flags[1::2], strict=True))
    process = subprocess.Popen(
        [sys.executable, "-m", "jqjobs.cli.jqd", *[word for pair in chosen.items() for word in pair]],
        cwd=site.directory, env=site._environment({}), stdin=subprocess.DEVNULL,
        stdout=stdout, stderr=stderr, start_new_session=True,
    )  # fmt: skip
    site.daemons.append(daemon := Daemon(process, site.directory / "nowhere"))
    (site.directory / "nowhere").touch()
    return daemon


class Reader(threading.Thread):
    """Copies what comes out of a pipe or a terminal into a file, 4 KiB at a time."""

    def __init__(self, descriptor: int, path: Path, pause_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._path = path
        self._pause_s = pause_s
        self.start()

    def run(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            try:
                while data := os.read(self._descriptor, 4096):
                    file.write(data)
                    time.sleep(self._pause_s)
            except OSError:
                pass  # the last one has closed the terminal
        os.close(self._descriptor)


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def outputs(place: str, log: Path, cleanup: ExitStack) -> tuple[int, int]:
    """Return descriptors for stdout and stderr that lead to ``log`` in the end."""
    if place in ("file", "file opened twice"):
        once = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        again = os.open(log, os.O_WRONLY) if "twice" in place else os.dup(once)
    else:
        read_end, once = os.pipe() if place == "pipe" else pty.openpty()
        again = os.dup(once)
        cleanup.callback(Reader(read_end, log).join, 20)
    cleanup.callback(os.close, once)
    cleanup.callback(os.close, again)
    return once, again


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("pipe", "text"), ("pipe", "json"), ("file", "json"), ("file opened twice", "text"), ("terminal", "text"),
        ("terminal", "json"),
    ],
)  # fmt: skip
def test_two_workers_write_whole_lines_whoever_writes(site: Site, cleanup: ExitStack, place: str, form: str) -> None:
    log = site.directory / "log"
    daemon = start(site, *outputs(place, log, cleanup), "--log-format", form)
    # On a terminal, which workers have as it is, what they write by one call is whole.
    writers = WRITERS if place != "terminal" else ("logging",)
    jobs = [site.send("write", writer, COUNT) for writer in (*writers, *writers)]
    for job in jobs:
        site.wait_for(job, State.KEPT, 60)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    cleanup.close()  # all is read

    lines = log.read_text().replace("\r\n", "\n").splitlines()
    found = sorted(
        (who.partition("-")[0], int(nth)) for who, nth in (whole(line, form, place) for line in lines) if who
    )
    assert found == sorted((writer, nth) for writer in writers for nth in range(COUNT) for _ in range(2))


def test_threads_of_one_worker_write_whole_lines(site: Site, cleanup: ExitStack) -> None:
    log = site.directory / "log"
    flags = ("--log-format", "json", "--processes", "1", "--concurrency", "6")
    daemon = start(site, *outputs("pipe", log, cleanup), *flags)
    writers = ("print", "stderr", "logging")
    for job in [site.send("write", writer, COUNT) for writer in (*writers, *writers)]:
        site.wait_for(job, State.KEPT, 60)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    cleanup.close()

    found = sorted(whole(line, "json", "pipe") for line in log.read_text().splitlines())
    assert len([line for line in found if line[0]]) == len(writers) * 2 * COUNT


def whole(line: str, form: str, place: str) -> tuple[str, str]:
    """Return who wrote a line and which one it was, or "" of a line of the log; fail if it is none of these."""
    if form == "json" and (place != "terminal" or line.startswith("{")):
        line = json.loads(line).get("message", "")
    match = re.search(WHOLE, line)
    if match is None:
        assert "xxx" not in line, f"a piece of a line: {line[:80]} … {line[-80:]}"
        return "", ""
    assert len(match[3]) == 3000 + int(match[2]) * 777 % 40000
    assert line.count("<") == 1
    return match[1], match[2]


def test_what_a_killed_worker_leaves_of_a_line_is_a_line(site: Site, cleanup: ExitStack) -> None:
    log = site.directory / "log"
    daemon = start(site, *outputs("pipe", log, cleanup), "--log-format", "text")
    site.wait_for(site.send("die_in_a_line"), State.DEAD)
    eventually(lambda: "worker.died" in log.read_text(), what="its death is logged")

    [line] = [line for line in log.read_text().splitlines() if "<half a line" in line]
    assert line == "<half a line " + "y" * 9000
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_in_a_json_log_the_last_words_of_an_interpreter_are_json_and_what_a_job_printed_before(
    site: Site, cleanup: ExitStack
) -> None:
    log = site.directory / "log"
    daemon = start(site, *outputs("pipe", log, cleanup))
    site.wait_for(site.send("crash_with_a_traceback"), State.DEAD)
    eventually(lambda: "worker.died" in log.read_text(), what="its death is logged")

    said = [json.loads(line) for line in log.read_text().splitlines()]
    output = [line for line in said if line["event"] == "output"]
    words = [line["message"] for line in output]
    assert words[0] == "printed before it died"
    assert any("Segmentation fault" in text for text in words)
    [died] = [line for line in said if line["event"] == "worker.died"]
    assert {line["who"] for line in output} == {f"worker:{died['pid']}"}
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_a_reader_that_has_stopped_holds_up_no_job_that_prints(site: Site) -> None:
    read_end, write_end = os.pipe()
    start(site, write_end, write_end)
    os.close(write_end)
    site.wait_for(site.send("write", "print", COUNT), State.KEPT)
    os.close(read_end)


def test_a_reader_that_is_slow_loses_nothing(site: Site) -> None:
    log = site.directory / "log"
    read_end, write_end = os.pipe()
    daemon = start(site, write_end, write_end, "--log-format", "text")
    os.close(write_end)
    reader = Reader(read_end, log, pause_s=0.002)
    for job in [site.send("write", "print", COUNT) for _ in range(2)]:
        site.wait_for(job, State.KEPT, 60)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    reader.join(20)
    found = [line for line in log.read_text().splitlines() if re.fullmatch(WHOLE, line)]
    assert len(found) == 2 * COUNT
