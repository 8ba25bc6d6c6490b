"""What supervises this daemon should leave it the time that a drain takes: said once at boot, where it can be known.

supervisord answers over XML-RPC, if this user may ask it. systemd need not be asked: it is told how long a drain takes
(EXTEND_TIMEOUT_USEC, see `notify`). The daemon's wiring calls this in a thread of its own: an answer can take a while.
"""

from __future__ import annotations

import math
import socket
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

#: For the whole conversation. supervisord is one loop, which starts programs before it answers.
_TIMEOUT_S = 1.0
#: By hand: xmlrpc.client would cost the daemon 7 MB. Sent as HTTP 1.0, so that the answer ends with the connection.
_CALL = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getAllConfigInfo</methodName><params/></methodCall>"


def stop_wait_complaint(environ: Mapping[str, str], needed_s: float) -> str:
    """Return what is wrong with supervisord's stopwaitsecs for this process; "" when it is nothing, or not known.

    ``environ``: where supervisord has put its address and our name. ``needed_s``: what a drain may take.
    """
    stop_wait_s = _stop_wait_s(environ)
    if stop_wait_s is None or stop_wait_s >= needed_s:
        return ""
    return (
        f"supervisord kills jqd {stop_wait_s:g} s after TERM, but a drain may take {needed_s:g} s: "
        f"set stopwaitsecs={math.ceil(needed_s)}, or a shorter --grace"
    )


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
