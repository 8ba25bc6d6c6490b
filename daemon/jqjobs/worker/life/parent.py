"""Makes a worker die with its daemon."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with(daemon_pid: int) -> bool:
    """Have the kernel kill this process when the daemon's thread that started it ends.

    Returns False when the daemon is gone already. Where prctl is missing (macOS), the end of the control
    socket tells the loop.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            return False
    return os.getppid() == daemon_pid
