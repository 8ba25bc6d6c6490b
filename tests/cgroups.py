"""Real cgroups with a memory limit, for tests of what happens in one. They need root and a memory controller.

    with limited(200 * MIB) as cgroup:
        cgroup.add(process.pid)         # what it and its children use from now on counts
        cgroup.oom_kills()              # how often the kernel has killed somebody in it

Works with version 1 and version 2 of cgroups; the test is skipped where a group cannot be made.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from waiting import eventually

MIB = 1024 * 1024

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cgroup:
    """One cgroup of a test. ``limit`` and all it counts are bytes; ``path`` is its directory."""

    path: Path
    limit: int

    def add(self, pid: int) -> None:
        """Move a process into the group; what it used before stays accounted where it was."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def entering(self) -> list[str]:
        """Return the words to put in front of a command that is to run in the group from its first moment on."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs")]

    def set_limit(self, memory_bytes: int) -> None:
        """Let the group use this much from now on, no swap; ``limit`` stays what it was at first."""
        _set_limit(self.path, memory_bytes)

    def oom_kills(self) -> int:
        """Return how many processes of the group the kernel has killed for want of memory."""
        events = self.path / "memory.events"
        text = (events if events.exists() else self.path / "memory.oom_control").read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])


@contextmanager
def limited(memory_bytes: int) -> Iterator[Cgroup]:
    """Make a cgroup that may use ``memory_bytes`` and no swap; at the end what is left in it is killed."""
    path = _place() / f"jqjobs-test-{uuid.uuid4().hex[:12]}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        yield Cgroup(path, _set_limit(path, memory_bytes))
    finally:
        eventually(lambda: _is_removed(path), 20, f"{path} is removed")


def _place() -> Path:
    """Return the directory below which groups with a memory controller can be made, else skip the test."""
    if os.geteuid() != 0:
        pytest.skip("cgroups need root")
    if (_V1 / "memory.limit_in_bytes").exists():
        return _V1
    children = _V2 / "cgroup.subtree_control"
    if not children.exists():
        pytest.skip("there is no memory controller for cgroups")
    with suppress(OSError):  # refused where processes live in this group, as in most containers
        children.write_text("+memory")
    if "memory" not in children.read_text().split():
        pytest.skip("the memory controller cannot be given to new cgroups")
    return _V2


def _set_limit(path: Path, memory_bytes: int) -> int:
    """Set the limit and forbid swap, where the kernel counts it; return the limit as the kernel rounded it."""
    limit, swap, most_swap = ("memory.max", "memory.swap.max", 0)
    if not (path / limit).exists():
        limit, swap, most_swap = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", memory_bytes)
    values = {limit: memory_bytes} | ({swap: most_swap} if (path / swap).exists() else {})
    # Version 1 wants memory alone never above memory with swap: while a limit is raised, that one goes first.
    is_raised = most_swap > 0 and memory_bytes > int((path / limit).read_text())
    for name in reversed(values) if is_raised else values:
        (path / name).write_text(str(values[name]))
    return int((path / limit).read_text())


def _is_removed(path: Path) -> bool:
    """Kill what is left and try to remove the group: refused until the last process is really gone."""
    pids = [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
    for pid in filter(None, pids):  # 0 stands for a process of another pid namespace, and for us if it is killed
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        path.rmdir()
    return not path.exists()
