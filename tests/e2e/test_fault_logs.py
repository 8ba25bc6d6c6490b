"""Fault 9: nobody reads the log, nobody can, or there is no room for it. Jobs go on, and lost lines are counted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from e2e.daemon import DEFAULT_FLAGS, Daemon, Site
from jqjobs.jobs.records import State
from waiting import eventually

Output = IO[bytes] | None
Pipe = tuple[IO[bytes], IO[bytes]]

#: Each of these jobs costs a line in the log (failed, with a traceback in the job and a line here).
FAILING = """
from jqjobs import App
app = App()

@app.job(max_attempts=1, keep="1h")
def fail(text):
    raise ValueError(text)

@app.job(keep="1h")
def talk(text):
    print(text)
    return len(text)
"""


def start(site: Site, output: Output, *, closed: bool = False) -> Daemon:
    """Start a daemon with one worker whose stdout and stderr are ``output``, or closed."""
    flags = {
        **DEFAULT_FLAGS,
        "--app": site.write_app("talker", FAILING),
        "--runtime-dir": str(site.directory / "boards"),
    }
    command = [sys.executable, "-m", "jqjobs.cli.jqd", *[word for pair in flags.items() for word in pair]]
    if closed:
        command = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    process = subprocess.Popen(
        command, cwd=site.directory, env=site._environment({}), stdin=subprocess.DEVNULL,
        stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip
    daemon = Daemon(process, site.directory / "nowhere.log")
    (site.directory / "nowhere.log").touch()
    site.daemons.append(daemon)
    return daemon


def run_jobs(site: Site, count: int = 20) -> None:
    """Have jobs fail and succeed; all must come to their end."""
    jobs = site.send_many([("fail", "x" * 400)] * count)
    for job in jobs:
        assert site.wait_for(job, State.DEAD).reason == "failed"


def ends_in_an_orderly_way(daemon: Daemon) -> bool:
    daemon.send(signal.SIGTERM)
    return daemon.wait() == 0


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe: the end to read, which never waits, and the end to write."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        yield reader, writer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 64 KiB. Needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_fault_09_started_with_closed_outputs_it_works_and_ends_as_ever(site: Site) -> None:
    daemon = start(site, None, closed=True)
    run_jobs(site)
    assert site.wait_for(site.send("talk", "spoken to nobody"), State.KEPT).result == 16
    for pid in (daemon.pid, *daemon.workers()):
        leads_to = {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)}
        assert leads_to == {"/dev/null"}, "what a job's subprocess prints must reach no socket and no board"
    assert ends_in_an_orderly_way(daemon)


def test_fault_09_a_log_reader_that_is_gone_holds_up_no_job(site: Site, pipe: Pipe) -> None:
    reader, writer = pipe
    daemon = start(site, writer)
    writer.close()
    run_jobs(site)
    reader.close()
    run_jobs(site)
    assert ends_in_an_orderly_way(daemon)


def test_fault_09_a_log_reader_that_stopped_holds_up_no_job_and_is_told_what_it_missed(site: Site, pipe: Pipe) -> None:
    reader, writer = pipe
    daemon = start(site, writer)
    writer.close()
    run_jobs(site, 600)  # half of their lines are more than a pipe takes, and what waits for it
    heard = b""

    def told() -> re.Match[bytes] | None:
        nonlocal heard
        heard += reader.read(65536) or b""
        return re.search(rb"\((\d+) log lines were lost\)", heard)

    eventually(lambda: not reader.read(65536), what="all that waited is read")
    run_jobs(site, 2)
    lost = eventually(told, what="lines are written again")
    assert int(lost[1]) > 50
    assert ends_in_an_orderly_way(daemon)


def test_fault_09_a_full_disk_holds_up_no_job_and_lost_lines_are_counted(site: Site, small_disk: Path) -> None:
    log, filler = small_disk / "jqd.log", small_disk / "filler"
    with log.open("ab") as output:
        daemon = start(site, output)
    site.wait_for(site.send("fail", "x"), State.DEAD)
    with filler.open("wb", buffering=0) as file:
        fill(file)
    run_jobs(site, 100)
    filler.unlink()
    run_jobs(site, 2)
    eventually(lambda: re.search(rb"\(\d+ log lines were lost\)", log.read_bytes()), what="the loss is told")
    assert ends_in_an_orderly_way(daemon)


def fill(file: IO[bytes]) -> None:
    try:
        while True:
            file.write(bytes(1024))
    except OSError:
        return  # full


def test_fault_09_a_log_that_takes_no_line_at_all_holds_up_no_job(site: Site) -> None:
    with open("/dev/full", "wb", buffering=0) as output:
        daemon = start(site, output)
    run_jobs(site)
    assert ends_in_an_orderly_way(daemon)
