"""Who a process is, so that another one can prove it dead: never guess from a pid alone.

A pid says nothing after a reboot, in another container, or once it was given to somebody else. So a
process is its host, the boot of that host, its pid namespace, its pid and its start time (proc(5)).

Also what processes there are, and how the group of a proven dead one is ended: `daemon.reaper`, `daemon.orphans`.
"""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: What to do where the system lets no process or thread start.
MORE_PROCESSES = "raise the limit of processes: ulimit -u, TasksMax= of systemd, pids of the container's cgroup"

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot of one host. ``started``: clock ticks since boot, 0 where /proc is missing."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; `Identity(**values)` makes it again."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """One process of this pid namespace, as /proc shows it. ``started``: clock ticks since boot."""

    pid: int
    state: str
    parent: int
    group: int
    started: int


def identity_of(pid: int) -> Identity:
    """Return the identity of a process of this host; ``started`` is 0 when it is gone already."""
    return Identity(host_name(), _boot_id(), _pid_namespace(), pid, _start_ticks(pid) or 0)


def is_proven_dead(process: Identity) -> bool:
    """Return True only where it is certain that the process runs no more.

    Another host or another pid namespace proves nothing, and neither does a missing start time.
    """
    if process.host != host_name():
        return False
    if process.boot_id != _boot_id():
        return True
    if process.pid_namespace != _pid_namespace() or not process.boot_id:
        return False
    ticks = _start_ticks(process.pid)
    if ticks is None:
        return not _exists(process.pid)
    is_another = process.started != 0 and ticks != process.started
    return is_another or _is_zombie(process.pid)


def processes() -> Iterator[Seen]:
    """Yield all processes that /proc shows, zombies included; none where /proc is missing."""
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        fields = _stat_fields(int(name)) if name.isdigit() else []
        if len(fields) > 19:  # it may be gone by now
            yield Seen(int(name), fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def children_since(started_ms: int) -> list[int]:
    """Return the children of this process, in its process group, that began at that moment (ms since boot) or later."""
    since = (started_ms * _TICKS_A_SECOND) // 1000
    own, group = os.getpid(), os.getpgrp()
    return [seen.pid for seen in processes() if (seen.parent, seen.group) == (own, group) and seen.started >= since]


def kill_orphan_group(leader: Identity, alive_until_ms: int) -> bool:
    """Kill what a dead process has left in the process group that it led; return whether there was anything.

    Only where it is certain whose group that is. ``alive_until_ms``: until about when the leader lived at least,
    ms since boot.
    """
    if leader.boot_id != _boot_id() or leader.pid <= 1 or leader.pid == os.getpgrp() or not is_proven_dead(leader):
        return False  # a number of another boot means nothing here; nor do we end ourselves, whoever started us
    if _start_ticks(leader.pid) not in (None, leader.started):
        return False  # no process gets the number of a group that has members, so the group is the other one's
    left = [seen.started for seen in processes() if seen.group == leader.pid and seen.state not in "ZX"]
    if not left or min(left) * 1000 / _TICKS_A_SECOND > alive_until_ms:
        return False  # all began after its death: the leader of another group had its number, and is gone too
    try:
        os.killpg(leader.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def host_name() -> str:
    """Return the node name with the start of the machine id: cloned names stay apart."""
    machine = _read("/etc/machine-id").strip()[:8]
    return platform.node() + (f"-{machine}" if machine else "")


def has_no_threads(error: Exception) -> bool:
    """Return whether this is what Python raises where the system lets no thread start: it has no type of its own."""
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"


def describe_exit(returncode: int) -> str:
    """Return how a process ended, for people: the `cause` in a job's history."""
    return f"its worker {how_it_ended(returncode)}" + (" in the middle of the job" if returncode >= 0 else "")


def how_it_ended(returncode: int) -> str:
    """Return how a process ended, as ``exited with code 1`` or ``was killed by SIGSEGV``."""
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    guess = ", probably out of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{guess}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat_fields(pid: int) -> list[str]:
    # The command name may hold spaces and parentheses, so everything counts from the last ")".
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _start_ticks(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return int(fields[19]) if len(fields) > 19 else None  # field 22 of proc_pid_stat(5)


def _is_zombie(pid: int) -> bool:
    fields = _stat_fields(pid)
    if not fields or fields[0] not in ("Z", "X"):
        return False
    try:
        return len(os.listdir(f"/proc/{pid}/task")) <= 1  # the leader may be gone while threads still run
    except OSError:
        return True


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
