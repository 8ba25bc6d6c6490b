"""A real `jqd` for tests: started, signalled, and read by its log. And the site it works at.

Owns processes and files of one test; asserts nothing about jobs. Used by the fixture `site` of conftest.py:

    daemon = site.start_daemon("--processes", "2")   # ready when it returns
    job = site.send("nap", 0.1)
    site.wait_for(job, State.KEPT)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import psutil

from handles import enqueue
from jqjobs import JobHandle
from jqjobs.api.client import Client
from jqjobs.base.events import EVENTS
from jqjobs.cli import jqctl
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import NewJob, State, new_id
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reads.queues import QueueStatus, queue_status
from servers import Server
from waiting import PATIENCE_S, eventually

#: What daemons of tests are told unless the test says otherwise: nothing random, nothing slow.
DEFAULT_FLAGS = {
    "--app": "jobs:app", "--processes": "1", "--jitter": "0", "--poll": "0.5", "--lease": "5",
    "--grace": "10", "--kill-after": "1", "--log-format": "json",
}  # fmt: skip

#: Events that mean a defect in jqjobs, whatever the test does to it.
_DEFECTS = ("keeper.error", "monitor.error", "worker.crashed")

_ON_EACH_LINE = {"ts", "level", "who", "event"}


class Daemon:
    """One `jqd` process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def log_text(self) -> str:
        """Return what it and its workers have logged."""
        return self._log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one event, oldest first."""
        return [line for line in self.lines() if line.get("event") == name]

    def lines(self) -> list[dict[str, Any]]:
        """Return all whole log lines; what is not JSON has the event "?"."""
        return [_parsed(line) for line in self.log_text().splitlines(keepends=True) if line.endswith("\n")]

    def wait_for_event(self, name: str, count: int = 1, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until an event was logged ``count`` times; return the last of these lines."""
        eventually(lambda: len(self.events(name)) >= count, timeout_s, f"{count} x {name} in the log")
        return self.events(name)[count - 1]

    def workers(self) -> list[int]:
        """Return the pids of its workers, dead ones that it has not yet waited for left out."""
        try:
            children = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []
        return sorted(child.pid for child in children if is_running(child.pid))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """Kill it as `kill -9` does, and wait until it is gone."""
        self.process.kill()
        self.process.wait(20)

    def defects(self) -> list[dict[str, Any]]:
        """Return log lines that no test may cause: tracebacks, errors of jqjobs itself, undeclared events, no JSON."""
        return [
            line
            for line in self.lines()
            if line["event"] in _DEFECTS or _is_ours_to_blame(line) or not _is_declared(line)
        ]


def is_running(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"event": "?", "text": line}
    return found if isinstance(found, dict) else {"event": "?", "text": line}


def _is_ours_to_blame(line: dict[str, Any]) -> bool:
    return "exception" in line and not line["event"].startswith("job.")


def _is_declared(line: dict[str, Any]) -> bool:
    """Say whether it is a line of the app, or of an event with all the fields it must have and no other."""
    if line["event"] in ("log", "log.lost", "output"):
        return True
    if line["event"] not in EVENTS:
        return False
    fields = EVENTS[line["event"]].fields.split()
    must = {field for field in fields if not field.endswith("?")}
    return must <= line.keys() <= {field.rstrip("?") for field in fields} | _ON_EACH_LINE


@dataclass(frozen=True)
class Note:
    """One line of the journal that the jobs write. ``at_ms``: boottime, as `monotonic_ms` of the test."""

    event: str
    name: str
    id: str
    queue: str
    attempt: int
    pid: int
    at_ms: int


@dataclass
class Site:
    """A Redis, a directory with app, journal and boards, and the daemons of one test."""

    server: Server
    directory: Path
    daemons: list[Daemon] = field(default_factory=list)
    tolerates_defects: bool = False

    def start_daemon(
        self, *flags: str, wait: bool = True, before: Sequence[str] = (), **environment: str
    ) -> Daemon:  # fmt: skip
        """Start a `jqd`, with ``flags`` over DEFAULT_FLAGS; return when its workers are ready, or at once.

        ``before``: words in front of its command, such as `Cgroup.entering`.
        """
        chosen = {**DEFAULT_FLAGS, "--runtime-dir": str(self.directory / "boards")}
        chosen |= dict(zip(flags[::2], flags[1::2], strict=True))
        words = [word for flag, value in chosen.items() if value for word in (flag, value)]
        log = self.directory / f"daemon{len(self.daemons)}.log"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "jqjobs.cli.jqd", *words],
                cwd=self.directory, env=self._environment(environment), stdin=subprocess.DEVNULL,
                stdout=stderr, stderr=stderr, start_new_session=True,
            )  # fmt: skip
        daemon = Daemon(process, log)
        self.daemons.append(daemon)
        if wait:
            daemon.wait_for_event("worker.ready", int(chosen["--processes"].partition("..")[0]))
        return daemon

    def start_script(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Run a Python file of this directory beside the daemons, with the same environment."""
        path = Path(__file__).parent / name
        return subprocess.Popen([sys.executable, str(path), *words], cwd=self.directory, env=self._environment({}))

    def jqctl(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run `jqctl … --json`, in this process; return its exit code and what it said."""
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = jqctl.run(["--redis", self.server.url, *words, "--json"])
        return code, json.loads(out.getvalue() or err.getvalue())

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        # The directory of the test first: an app written there goes before this directory's.
        path = os.pathsep.join([str(self.directory), str(Path(__file__).parent), *sys.path])
        own = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        return own | {
            "JQ_REDIS_URL": self.server.url, "JQ_TEST_JOURNAL": str(self.directory / "journal"),
            "PYTHONPATH": path, **more,
        }  # fmt: skip

    def write_app(self, module: str, text: str) -> str:
        """Write a module with an ``app`` for one test; return what --app is to be told."""
        (self.directory / f"{module}.py").write_text(text)
        return f"{module}:app"

    @cached_property
    def client(self) -> Client:
        return Client(self.server.url)

    def send(self, name: str, *args: Any, **options: Any) -> JobHandle:
        """Enqueue one job; its record is kept. ``options``: fields of `Options`."""
        return self.send_many([(name, *args)], **options)[0]

    def send_many(self, jobs: Sequence[tuple[Any, ...]], **options: Any) -> list[JobHandle]:
        """Enqueue jobs in one round trip: tuples of name and arguments."""
        chosen = Options(**{"queue": "default", "keep": "1h", **options})
        new = [
            NewJob(
                name, json.dumps({"args": args}).encode(), chosen.id or new_id(), chosen.priority or 0,
                chosen.due_text(), chosen.key or "", chosen.fields(),
            )
            for name, *args in jobs
        ]  # fmt: skip
        return enqueue(self.client, new, chosen.queue or "default")

    def wait_for(self, job: JobHandle, state: State, timeout_s: float = PATIENCE_S) -> JobInfo:
        """Wait until a job is in a state; return all that is known of it."""

        def seen() -> JobInfo:
            info = job.info()
            assert info.state == state, info
            return info

        return eventually(seen, timeout_s, f"{job.ref} {state}")

    def status(self, queue: str = "default") -> QueueStatus:
        return self.client.run(queue_status(queue))

    def gate(self, name: str = "gate") -> Path:
        """Return the path that a job `hold` waits for; `touch` opens it."""
        return self.directory / name

    def notes(self, event: str = "", job: JobHandle | None = None) -> list[Note]:
        """Return the lines of the journal, oldest first; of one event, of one job."""
        path = self.directory / "journal"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        notes = [Note(**json.loads(line)) for line in lines if line.endswith("\n")]
        return [note for note in notes if event in ("", note.event) and (job is None or note.id == job.id)]

    def wait_for_start(self, job: JobHandle, nth: int = 1, timeout_s: float = PATIENCE_S) -> Note:
        """Wait until a job was started for the ``nth`` time; return that note."""
        eventually(lambda: len(self.notes("start", job)) >= nth, timeout_s, f"start {nth} of {job.ref}")
        return self.notes("start", job)[nth - 1]

    def close(self) -> None:
        """Kill what still runs. Workers die with their daemon; those of a stopped one are continued for that."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill()
        self.client.close()

    def defects(self) -> list[dict[str, Any]]:
        return [line for daemon in self.daemons for line in daemon.defects()]
