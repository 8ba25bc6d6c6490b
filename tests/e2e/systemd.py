"""A real `systemd --user` that runs the units of deploy/systemd/, apart from the machine's own: see `running_systemd`.

It needs root: a mount, a pid and a cgroup namespace make a small world of its own, which ends as a whole when its first
process is killed. The first process is a shell, as systemd refuses to be a user's manager as process 1:

    unshare ─▶ sh (process 1 inside) ─▶ systemd --user ─▶ jqd@1.service, in a cgroup of its own

As the manager is root's, it applies nearly all of the units' hardening, though it is no system manager.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from e2e.chaos.supervision import PATIENCE_S, ROOT, is_alive, substituted
from servers import require_program
from waiting import eventually

UNITS = ROOT / "deploy" / "systemd"

#: A unit directory that holds nothing else must have what units depend on by default.
_TARGETS = ("basic.target", "default.target")

#: Runs before unshare's exec: dies with the test process, even a killed one (PR_SET_PDEATHSIG), and joins the cgroup.
_JOIN = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""

#: Runs as process 1 of the namespaces, with the manager's command line as its arguments. The manager wants to see a
#: system that was booted by systemd, and a tree of cgroups of version 2. Its log lines come out on stderr: it knows no
#: way there itself, so what it takes for the kernel's log is a pipe.
_BOOT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
ln -s "$XDG_RUNTIME_DIR/systemd/inaccessible" /run/systemd/inaccessible
mount -t cgroup2 cgroup2 /sys/fs/cgroup
if [ -e /dev/kmsg ]; then
    mkfifo /run/kmsg
    cat <>/run/kmsg >&2 &
    mount --bind /run/kmsg /dev/kmsg
fi
"$@" &
wait $!
"""

#: A user's manager has no journal here, and logs of tests are for their failures.
_DROP_IN = """\
[Service]
StandardOutput=append:{log}
StandardError=append:{log}
# The virtual environment of the tests may be below /home or /root.
ProtectHome=read-only
"""


def install_units(places: Path, directory: Path) -> None:
    """Write the units into ``directory``, with a binary and a user of this machine, and ``places`` for the rest."""
    changes = {
        "ExecStart=/srv/shop/.venv/bin/jqd": f"ExecStart={Path(sys.executable).parent / 'jqd'}",
        "JQ_DIRECTORY=/srv/shop/current\n": f"JQ_DIRECTORY={places}/current\n",
        "ReadWritePaths=-/srv/shop\n": f"ReadWritePaths=-{places}\n",
        "User=shop\n": f"User={pwd.getpwuid(os.getuid()).pw_name}\n",
        "/etc/jqjobs/": f"{places}/",
    }
    text = substituted((UNITS / "jqd@.service").read_text(), changes)
    (directory / "jqd@.service").write_text(text)
    shutil.copy(UNITS / "jqd.target", directory)


@dataclass
class Systemd:
    """One manager and the services below it. Pids are those of the test's world, not of the namespace."""

    process: subprocess.Popen[bytes]
    directory: Path
    runtime: Path
    cgroup: Path

    def ctl(self, *words: str) -> str:
        """Run systemctl; return what it said. Its failure is the test's."""
        done = self.try_ctl(*words)
        assert done.returncode == 0, f"systemctl {words}: {done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout.strip()

    def try_ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run systemctl, inside: the manager answers nobody whose pid it cannot see."""
        inside = [require_program("nsenter"), f"--target={self.first_pid}", "--mount", "--pid"]
        environment = os.environ | {"XDG_RUNTIME_DIR": str(self.runtime)}
        return subprocess.run(
            [*inside, require_program("systemctl"), "--user", "--no-pager", *words],
            env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    @property
    def first_pid(self) -> int:
        """The process that is number 1 inside."""
        (shell,) = psutil.Process(self.process.pid).children()
        return shell.pid

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.ctl("show", unit, f"--property={name}", "--value")

    def is_in_state(self, unit: str, state: str) -> bool:
        return self.show(unit, "ActiveState") == state

    def pids(self, unit: str) -> list[int]:
        """Return what runs in the cgroup of a unit."""
        place = self.show(unit, "ControlGroup").lstrip("/")
        procs = self.cgroup / place / "cgroup.procs"
        return [int(pid) for pid in procs.read_text().split()] if place else []

    def main(self, unit: str) -> psutil.Process:
        """Return jqd."""
        inner = self.show(unit, "MainPID")
        (pid,) = [pid for pid in self.pids(unit) if _inner_pid(pid) == inner]
        return psutil.Process(pid)

    def workers(self, unit: str) -> list[int]:
        """Return the living workers of jqd."""
        return [child.pid for child in self.main(unit).children() if is_alive(child)]

    def log(self) -> str:
        """Return what jqd, its workers and its jobs printed."""
        path = self.directory / "jqd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        """Return the ends of all logs, for a test that fails."""
        manager = (self.directory / "systemd.log").read_text(errors="replace")
        return f"--- systemd\n{manager[-4000:]}\n--- jqd\n{self.log()[-4000:]}"

    def wait_until_up(self) -> None:
        eventually(lambda: self.process.poll() is not None or self._is_up(), PATIENCE_S, "systemd --user answers")
        assert self.process.poll() is None, self.logs()

    def _is_up(self) -> bool:
        is_there = (self.runtime / "systemd" / "private").exists()
        return is_there and self.try_ctl("is-active", "default.target").returncode == 0

    def end(self) -> None:
        """Kill everything: with unshare dies process 1 inside, and with that all the others."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


@contextmanager
def running_systemd(directory: Path, drop_in: str) -> Iterator[Systemd]:
    """Start a manager that knows the units of deploy/systemd/; at the end nothing of it is left.

    ``directory`` is in the place of /srv/shop and /etc/jqjobs, and has the logs. ``drop_in``: what the test adds to
    jqd@.service. Skips the test where there can be no such manager.
    """
    binary = _require_manager()
    units = directory / "units"
    (directory / "release").mkdir()
    (directory / "current").symlink_to("release")
    units.mkdir()
    install_units(directory, units)
    for name in _TARGETS:
        (units / name).write_text("[Unit]\nDescription=of the test\n")
    (units / "jqd@.service.d").mkdir()
    (units / "jqd@.service.d" / "test.conf").write_text(_DROP_IN.format(log=directory / "jqd.log") + drop_in)
    with _cgroup() as cgroup, tempfile.TemporaryDirectory(prefix="jq-", dir="/tmp") as runtime:
        systemd = Systemd(_start(binary, directory, runtime, cgroup), directory, Path(runtime), cgroup)
        try:
            systemd.wait_until_up()
            yield systemd
        finally:
            print(systemd.logs())  # shown where a test fails
            systemd.end()


def _require_manager() -> str:
    """Return the binary of systemd; skip the test where it, its tools or the right to make namespaces are missing."""
    binary = shutil.which("systemd", path="/usr/lib/systemd:/lib/systemd")
    if binary is None or os.geteuid() != 0:
        pytest.skip("a systemd of the test's own needs root" if binary else "systemd is not installed")
    for name in ("unshare", "nsenter", "systemctl"):
        require_program(name)
    tried = subprocess.run(_inside("true"), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if tried.returncode != 0:
        pytest.skip(f"a systemd of the test's own needs namespaces: {tried.stderr.strip()}")
    return binary


def _inside(*command: str) -> list[str]:
    """Return the command line that runs a command in namespaces of its own."""
    namespaces = ["--mount", "--pid", "--cgroup", "--mount-proc", "--fork", "--kill-child"]
    return [require_program("unshare"), *namespaces, "sh", "-c", _BOOT, "sh", *command]


def _start(binary: str, directory: Path, runtime: str, cgroup: Path) -> subprocess.Popen[bytes]:
    nowhere = str(directory / "nowhere")
    environment = {
        "PATH": os.environ["PATH"], "HOME": runtime, "XDG_RUNTIME_DIR": runtime,
        "SYSTEMD_UNIT_PATH": str(directory / "units"),
        "SYSTEMD_GENERATOR_PATH": nowhere, "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": nowhere,
    }  # fmt: skip
    manager = [binary, "--user", "--log-level=info", "--log-target=kmsg"]
    with (directory / "systemd.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _JOIN, str(cgroup), *_inside(*manager)],
            env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


@contextmanager
def _cgroup() -> Iterator[Path]:
    """Make a cgroup of version 2 below our own; skip the test where that is not to be had."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    roots = [Path(where) for _, where, kind, *_ in mounts if kind == "cgroup2"]
    own = [line[4:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::/")]
    if not roots or not own:
        pytest.skip("a systemd of the test's own needs cgroups of version 2")
    path = roots[0] / own[0] / f"jqjobs-test-{uuid.uuid4().hex[:12]}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        yield path
    finally:
        eventually(lambda: "populated 0" in (path / "cgroup.events").read_text(), PATIENCE_S, "all are dead")
        for place, _, _ in os.walk(path, topdown=False):
            Path(place).rmdir()


def _inner_pid(pid: int) -> str:
    """Return the number that a process has in its own namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    return next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:"))
