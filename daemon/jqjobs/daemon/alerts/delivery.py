"""Tells somebody of an alert: by HTTP, or by a line of shell. Both get one JSON object.

What comes from jobs is never part of the line itself: it is read from stdin, or from variables.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Callable
from subprocess import Popen
from urllib.error import HTTPError

from jqjobs.base.shell_line import Start, failure_of
from jqjobs.daemon.alerts.conditions import Alert
from jqjobs.daemon.settings import DaemonSettings

#: So long an answer, or a command, may take.
PATIENCE_S = 20.0

#: Tells an alert of a daemon; returns why that failed, "" when it did not.
Tell = Callable[[Alert], str]


def tellers(settings: DaemonSettings, start: Start = Popen) -> list[Tell]:
    """Return who is told, by the settings. ``start``: starts processes."""
    found: list[Tell] = []
    if settings.alert_url:
        found.append(lambda alert: post(settings.alert_url, body_of(alert, settings.name)))
    if settings.alert_exec:
        found.append(lambda alert: execute(settings.alert_exec, alert, settings.name, start))
    return found


def body_of(alert: Alert, daemon: str) -> bytes:
    """Return an alert as JSON; ``text`` is what chat programs show."""
    text = f"{alert.message} ({alert.hint})"
    return json.dumps(
        {"v": 1, "text": text, **alert._asdict(), "queue": alert.queue or None, "daemon": daemon}
    ).encode()


def post(url: str, body: bytes) -> str:
    """Send it by HTTP. The address is in no message: it may hold a secret."""
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "jqjobs"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S):
            return ""
    except HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"it cannot be reached: {getattr(error, 'reason', None) or type(error).__name__}"


def execute(line: str, alert: Alert, daemon: str, start: Start = Popen) -> str:
    """Run a line of shell, with the alert on stdin and in variables."""
    variables = {f"JQ_ALERT_{name.upper()}": value for name, value in alert._asdict().items()}
    return failure_of(line, PATIENCE_S, body_of(alert, daemon), variables, start)
