"""What the host of this daemon is like, for `jqctl doctor`, which runs elsewhere: told in the registry as JSON.

Looked at once a minute, in the main loop, since it only asks the kernel; what takes longer (who supervises us, and how
long they wait) is told by a thread of its own, see `wiring`.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from jqjobs.daemon.memory.free_memory import FreeMemory

_LOOK_EVERY_S = 60.0
#: File systems that are memory.
_IN_MEMORY = ("tmpfs", "ramfs")


class HostFacts:
    """One per daemon. ``stop_complaint``: why whoever supervises it will not wait for a drain, "" while it is fine."""

    def __init__(self, boards: Path, memory: FreeMemory, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self._boards = boards
        self._memory = memory
        self._mountinfo = mountinfo
        self._look_at_s = 0.0
        self._told = ""
        self.stop_complaint = ""

    def as_json(self) -> str:
        """Return the facts, as they were at the last look."""
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_EVERY_S
            self._told = json.dumps(self._look())
        return self._told

    def tell_stop_complaint(self, complaint: str) -> None:
        """Have it told from now on; called by another thread."""
        self.stop_complaint = complaint
        self._look_at_s = 0.0

    def _look(self) -> dict[str, object]:
        facts: dict[str, object] = {"stop": self.stop_complaint, "boards": str(self._boards)}
        if memory := self._memory.sample():
            facts |= {"memory_bytes": memory.total_bytes, "memory_of": memory.limited_by}
        try:
            space = os.statvfs(self._boards)
            facts |= {
                "boards_free_bytes": space.f_bavail * space.f_frsize, "boards_bytes": space.f_blocks * space.f_frsize,
            }  # fmt: skip
            if file_system := file_system_of(self._boards, self._mountinfo):
                facts["boards_in_memory"] = file_system in _IN_MEMORY
        except OSError:  # deleted just now: it is made anew
            pass
        return facts


def file_system_of(path: Path, mountinfo: Path) -> str:
    """Return the type of the file system that a path is in, "" where that is not told: proc_pid_mountinfo(5)."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mountinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    mounts = (line.split() for line in lines)
    return next((mount[mount.index("-") + 1] for mount in mounts if len(mount) > 6 and mount[2] == wanted), "")
