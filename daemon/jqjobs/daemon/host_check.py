"""What supervises this daemon should leave it the time that a drain takes: said once at boot, where it can be known.

supervisord answers over XML-RPC, if this user may ask it. systemd is told how long a drain takes (EXTEND_TIMEOUT_USEC,
see `notify`), and asked only where it does not listen to that. Kubernetes does not tell a pod how long it waits.
The daemon's wiring calls this in a thread of its own: an answer can take a while.
"""

from __future__ import annotations

import math
import re
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

#: For the whole conversation. supervisord is one loop, which starts programs before it answers.
_TIMEOUT_S = 1.0
#: By hand: xmlrpc.client would cost the daemon 7 MB. Sent as HTTP 1.0, so that the answer ends with the connection.
_CALL = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getAllConfigInfo</methodName><params/></methodCall>"
#: What Kubernetes waits after TERM unless the pod says otherwise.
POD_GRACE_S = 30.0
#: How systemctl writes spans such as "1min 30s" (systemd.time(7)); "infinity" and longer units are time enough.
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(min|s|ms|us)")
_UNITS_S = {"min": 60, "s": 1, "ms": 1e-3, "us": 1e-6}


def stop_wait_complaint(environ: Mapping[str, str], needed_s: float) -> str:
    """Return what is wrong with supervisord's stopwaitsecs for this process; "" when it is nothing, or not known.

    ``environ``: where supervisord has put its address and our name. ``needed_s``: what a drain may take.
    """
    return _complaint("supervisord", _stop_wait_s(environ), needed_s, "stopwaitsecs")


def unit_complaint(environ: Mapping[str, str], needed_s: float, cgroup: Path = Path("/proc/self/cgroup")) -> str:
    """Return what is wrong with TimeoutStopSec= of our systemd unit, where it cannot be extended; "" as above.

    ``environ``: has INVOCATION_ID below systemd, and NOTIFY_SOCKET where that listens to us.
    """
    if "INVOCATION_ID" not in environ or "NOTIFY_SOCKET" in environ:
        return ""
    return _complaint("systemd", _unit_stop_s(cgroup), needed_s, "TimeoutStopSec")


def pod_note(environ: Mapping[str, str], needed_s: float) -> str:
    """Return what a pod must be told whose drain may take longer than Kubernetes waits by default; "": nothing."""
    if "KUBERNETES_SERVICE_HOST" not in environ or needed_s <= POD_GRACE_S:
        return ""
    return (
        f"a drain may take {needed_s:g} s: terminationGracePeriodSeconds of the pod must be longer than that, "
        f"and is {POD_GRACE_S:g} where it is not set"
    )


def _complaint(who: str, waits_s: float | None, needed_s: float, setting: str) -> str:
    if waits_s is None or waits_s >= needed_s:
        return ""
    return (
        f"{who} kills jqd {waits_s:g} s after TERM, but a drain may take {needed_s:g} s: "
        f"set {setting}={math.ceil(needed_s)}, or a shorter --grace"
    )


def _unit_stop_s(cgroup: Path) -> float | None:
    """Return what systemd waits for the end of the unit that this process is in; None when it does not say."""
    try:
        path = cgroup.read_text().partition("::")[2].split("\n")[0]
        unit = path.rpartition("/")[2]
        if not unit.endswith(".service"):
            return None
        whose = ["--user"] if "/user@" in path else []
        command = ["systemctl", *whose, "show", "--value", "--property=TimeoutStopUSec", unit]
        said = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    parts = [_SPAN.fullmatch(part) for part in said]
    if not parts or None in parts:
        return None
    return sum(float(part[1]) * _UNITS_S[part[2]] for part in parts if part)


def _stop_wait_s(environ: Mapping[str, str]) -> float | None:
    """Return stopwaitsecs; None when nobody tells: no supervisord, an old one, or one that is closed to this user."""
    url, name = environ.get("SUPERVISOR_SERVER_URL", ""), environ.get("SUPERVISOR_PROCESS_NAME", "")
    group = environ.get("SUPERVISOR_GROUP_NAME", name)
    if not url or not name:
        return None
    try:
        for program in _programs(_ask(url, environ)):
            if (program.get("group"), program.get("name")) == (group, name):
                return float(program["stopwaitsecs"])
    except (OSError, ValueError, LookupError, SyntaxError):  # the last one: no XML
        return None
    return None


def _ask(url: str, environ: Mapping[str, str]) -> bytes:
    """Return the body of supervisord's answer. Raises: OSError when there is none in time; ValueError for a bad URL."""
    until_s = time.monotonic() + _TIMEOUT_S
    answer = b""
    with _connect(url) as connection:
        connection.sendall(_head(environ) + _CALL)
        while chunk := connection.recv(65536):
            answer += chunk
            connection.settimeout(max(0.001, until_s - time.monotonic()))
    return answer.partition(b"\r\n\r\n")[2]


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "http":
        return socket.create_connection((parts.hostname or "localhost", parts.port or 80), _TIMEOUT_S)
    if parts.scheme != "unix":
        raise ValueError(f"supervisord has no such addresses: {parts.scheme}")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_TIMEOUT_S)
    try:
        connection.connect(url.removeprefix("unix://"))
    except OSError:
        connection.close()
        raise
    return connection


def _head(environ: Mapping[str, str]) -> bytes:
    lines = ["POST /RPC2 HTTP/1.0", "Host: supervisord", "Content-Type: text/xml", f"Content-Length: {len(_CALL)}"]
    if user := environ.get("SUPERVISOR_USERNAME"):  # supervisord does not pass them on; environment= of the program may
        secret = b64encode(f"{user}:{environ.get('SUPERVISOR_PASSWORD', '')}".encode()).decode()
        lines.append(f"Authorization: Basic {secret}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def _programs(answer: bytes) -> Iterator[dict[str, str]]:
    """Yield the members of each structure in an XML-RPC answer as text."""
    from xml.etree import ElementTree  # imported only where there is a supervisord

    for structure in ElementTree.fromstring(answer).iter("struct"):
        members = structure.findall("member")
        yield {member.findtext("name", ""): member.findtext("value/*", "") for member in members}
