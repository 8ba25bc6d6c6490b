"""What PID 1 of a container owes its orphans: they are its children now, and stay zombies until it waits for them.

Never waits for a process of ours: its exit status is for `subprocess.Popen`. The main loop calls `reap_strangers`
each turn where `adopts_orphans`; with nothing to do that is one system call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

from jqjobs.base.process import processes

_PR_GET_CHILD_SUBREAPER = 37  # prctl(2)
#: However fast jobs make orphans, the main loop has other things to do.
_A_TURN = 1000


def adopts_orphans() -> bool:
    """Return whether orphans become children of this process: it is PID 1, or a subreaper. Enough to ask once."""
    return os.getpid() == 1 or _is_subreaper()


def _is_subreaper() -> bool:
    if sys.platform != "linux":
        return False
    import ctypes  # only here: it takes 300 KB

    answer = ctypes.c_int(0)
    failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)


def reap_strangers(ours: Collection[int]) -> int:
    """Wait for all children that ended and are not ``ours`` (pids that somebody else waits for); return how many.

    To be called by the thread that starts processes, and while no other one does, so that ``ours`` misses none.
    """
    reaped = 0
    for _ in range(_A_TURN):
        pid = _first_ended()
        if pid is None:
            return reaped
        if pid in ours:  # it will be seen first until it is waited for, and hides who stands behind it
            return reaped + sum(_reap(stranger) for stranger in _zombies() if stranger not in ours)
        reaped += _reap(pid)
    return reaped


def _first_ended() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # WNOWAIT: look, and leave it there
    except ChildProcessError:  # no child at all
        return None
    return found.si_pid if found else None


def _zombies() -> list[int]:
    own = os.getpid()
    return [seen.pid for seen in processes() if seen.parent == own and seen.state == "Z"]


def _reap(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False
