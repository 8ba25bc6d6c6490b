"""Who gives a command: what is said of them where it is noted."""

from __future__ import annotations

import os
import socket


def who() -> str:
    """Return ``user@host``; a number where the user has no name, as in many a container."""
    import getpass  # 2 ms that most commands do not need

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
