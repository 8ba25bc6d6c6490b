"""A real supervisord that runs deploy/supervisor/jqd.conf, and the processes below it: see `supervised`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from e2e.chaos.ledger import VARIABLE, Ledger
from servers import Server, require_program
from waiting import eventually

ROOT = Path(__file__).parents[3]
CONF = ROOT / "deploy" / "supervisor" / "jqd.conf"

CHAOS_APP = "e2e.chaos.app:app"

#: How long a slow machine may take to start, stop or restart everything.
PATIENCE_S = 120.0

_SUPERVISORD = """\
[supervisord]
nodaemon=true
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
{user}
[unix_http_server]
file={socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{socket}
"""

#: Runs before supervisord's exec: a test process that is killed takes it along (PR_SET_PDEATHSIG), in an orderly way.
END_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""


def substituted(text: str, changes: dict[str, str]) -> str:
    """Return a deployment file with the places of this machine. Each must be there: a test must not drift from it."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is no longer in the file; change the test with it"
        text = text.replace(old, new)
    return text


def program_section(server: Server, directory: Path, ledger: Path, daemons: int, changes: Mapping[str, str]) -> str:
    """Return jqd.conf with paths and user of this machine; ``daemons`` replaces numprocs=4."""
    url = server.url.replace("%", "%%")
    path = f"{ROOT / 'daemon'}:{ROOT / 'tests'}"
    extra = f'JQ_REDIS_URL="{url}",\n    PYTHONPATH="{path}",\n    {VARIABLE}="{ledger}"'
    return substituted(CONF.read_text(), {
        "command=/srv/shop/.venv/bin/jqd\n": f"command={Path(sys.executable).parent / 'jqd'}\n",
        'JQ_DIRECTORY="/srv/shop/current"': f'JQ_DIRECTORY="{directory}"',
        "user=shop\n": "\n",
        'JQ_REDIS_URL="redis://127.0.0.1:6379/0"': extra,
        "shop.app:app": CHAOS_APP,
        "/var/log/jqjobs/": f"{directory}/",
        "numprocs=4\n": f"numprocs={daemons}\n",
        **changes,
    })  # fmt: skip


@dataclass
class Fleet:
    """One supervisord and what runs below it. Processes are found by parent, never by name."""

    process: subprocess.Popen[bytes]
    directory: Path
    ledger: Ledger
    wanted: int
    workers_each: int

    def ctl_command(self, *words: str) -> list[str]:
        """Return the command line of supervisorctl for this supervisord."""
        return [require_program("supervisorctl"), "-c", str(self.directory / "supervisord.conf"), *words]

    def ctl(self, *words: str) -> str:
        """Run supervisorctl; return what it said. Its failure is the test's."""
        done = subprocess.run(self.ctl_command(*words), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, f"supervisorctl {words}: {done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def daemons(self) -> list[psutil.Process]:
        """Return the living daemons."""
        return living(psutil.Process(self.process.pid).children())

    def workers(self) -> list[psutil.Process]:
        """Return the living workers of all daemons."""
        return [worker for daemon in self.daemons() for worker in workers_of(daemon)]

    def wait_until_working(self) -> None:
        """Wait until all daemons run and have all their workers."""
        eventually(self._is_complete, PATIENCE_S, "all daemons with all their workers")

    def _is_complete(self) -> bool:
        daemons = self.daemons()
        return len(daemons) == self.wanted and all(len(workers_of(d)) == self.workers_each for d in daemons)

    def log(self) -> str:
        """Return supervisord's own log."""
        return (self.directory / "supervisord.log").read_text(errors="replace")

    def logs(self) -> str:
        """Return the ends of all logs, for a test that fails."""
        files = sorted(self.directory.glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def stop(self) -> None:
        """End supervisord and everything below it: by TERM, which drains, else by KILL."""
        below = [*self.daemons(), *self.workers()] if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE_S)
        for process in living(below):
            process.kill()
        self.process.kill()
        self.process.wait(PATIENCE_S)


@contextmanager
def supervised(
    server: Server, directory: Path, daemons: int = 4, changes: Mapping[str, str] = MappingProxyType({}),
    *, processes: int = 2, before: Sequence[str] = (),
) -> Iterator[Fleet]:  # fmt: skip
    """Start supervisord with jqd.conf, wait until everything runs; afterwards end all of it.

    ``daemons`` is 4 in the file, ``processes`` 2; with other numbers the rest of the file stays as it is. ``changes``:
    texts of the file and what the test has in their place. ``before``: words in front of supervisord's command.
    """
    supervisord = require_program("supervisord")
    require_program("supervisorctl")
    ledger = Ledger(directory / "ledger")
    short = tempfile.mkdtemp(prefix="jq-", dir="/tmp")  # a unix socket's path must be short
    # Without user= supervisord warns when it is root, as in a container.
    head = _SUPERVISORD.format(directory=directory, socket=f"{short}/s", user="user=root\n" if os.getuid() == 0 else "")
    conf = directory / "supervisord.conf"
    changes = {'JQ_PROCESSES="2"': f'JQ_PROCESSES="{processes}"', **changes}
    conf.write_text(f"{head}\n{program_section(server, directory, ledger.path, daemons, changes)}")
    start = [*before, sys.executable, "-c", END_WITH_PARENT, supervisord, "-c", str(conf)]
    with (directory / "out").open("wb") as out:
        process = subprocess.Popen(start, stdout=out, stderr=out, cwd=directory)
    fleet = Fleet(process, directory, ledger, daemons, workers_each=processes)
    try:
        fleet.wait_until_working()
        yield fleet
    except Exception as error:
        error.add_note(fleet.logs())
        raise
    finally:
        fleet.stop()
        shutil.rmtree(short, ignore_errors=True)


def workers_of(daemon: psutil.Process) -> list[psutil.Process]:
    """Return the living workers of a daemon."""
    try:
        return living(daemon.children())
    except psutil.NoSuchProcess:
        return []


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that neither ended nor wait to be reaped."""
    return [process for process in processes if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started_ms(process: psutil.Process) -> float:
    """Return when a process was started, ms since boot (field 22 of proc_pid_stat(5), 10 ms steps)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) * 1000 / os.sysconf("SC_CLK_TCK")
