"""Tells systemd how the daemon is (sd_notify(3)): ready, reloading, stopping, a status line, watchdog pings.

A few datagrams to the socket in NOTIFY_SOCKET; without one (supervisord, a terminal) nothing happens.
Only the main loop calls this, so that a watchdog ping means that the main loop turns.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from jqjobs.base.escape import visible

#: A status line longer than this helps nobody.
_STATUS_CHARS = 200


class Notifier:
    """What systemd was told last, so that it hears only news, and what it did not get once more."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._ping_every_s = int(environ.get("WATCHDOG_USEC", "0") or 0) / 2_000_000
        self._pinged_s = 0.0
        self._state = ""
        self._status = ""

    def tell(self, state: str, status: str) -> None:
        """Tell the daemon's state (as in `jqctl status`) and a line for people; repeats cost nothing."""
        if self._address is None:
            return
        status = visible(status, limit=_STATUS_CHARS)  # one line: a second one would be an assignment of its own
        lines = [] if state == self._state else _transition(self._state, state)
        if status != self._status:
            lines.append(f"STATUS={status}")
        now_s = time.monotonic()
        is_ping_due = bool(self._ping_every_s) and now_s - self._pinged_s >= self._ping_every_s
        if is_ping_due:
            lines.append("WATCHDOG=1")
        if lines and not self._send("\n".join(lines)):
            return
        self._state, self._status = state, status
        self._pinged_s = now_s if is_ping_due else self._pinged_s

    def reloading(self) -> None:
        """Tell that a reload was asked for: systemd waits for this after each HUP, also one that changes no state."""
        if self._send("\n".join(_transition("", "reloading"))):
            self._state = "reloading"

    def extend(self, seconds: float) -> None:
        """Ask systemd for patience: the end will take up to ``seconds`` more."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send(self, text: str) -> bool:
        """Send one datagram; False when it did not get through: systemd restarts itself, or its queue is full."""
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(text.encode(), self._address)
        except OSError:
            return False
        return True


def _address(path: str) -> str | None:
    if path.startswith("@"):
        return "\0" + path[1:]  # Linux's abstract namespace
    return path if path.startswith("/") else None


def _transition(old: str, new: str) -> list[str]:
    if new in ("draining", "stopping"):
        return [] if old in ("draining", "stopping") else ["STOPPING=1"]
    if new == "reloading":
        return ["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"]
    # Waiting for Redis is being in service: an outage must not make a start time out.
    return ["READY=1"] if new != "starting" and old in ("", "starting", "reloading") else []
