"""Reads the address of ``--health``, or of `jqctl metrics --listen`, and listens there; says what is wrong with it.

Forms: ``127.0.0.1:8811``, ``localhost:8811``, ``[::1]:8811``, ``:8811`` (all addresses), ``unix:/path``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat

from jqjobs.errors import ConfigError

_FORM = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)
_BACKLOG = 128
_HINTS = {
    errno.EADDRINUSE: "somebody else listens there (`ss -lxtp` shows who); each daemon needs an address of its own",
    errno.EACCES: "ports below 1024 are for root; a socket needs a directory we may write to",
    errno.EADDRNOTAVAIL: "this host has no such address; 127.0.0.1 is there always",
    errno.ENOENT: "make the directory first",
}


def listen(address: str, option: str = "--health") -> socket.socket:
    """Return a listening socket. Port 0 lets the system choose one, see `name_of`.

    ``option``: which one the address was given with, for words of error.
    Raises: ConfigError when the address has another form, is taken, or cannot be had.
    """
    try:
        if address.startswith("unix:"):
            return _listen_unix(address.removeprefix("unix:"), option)
        return _listen_tcp(*_host_and_port(address, option))
    except (OSError, ValueError) as error:  # ValueError: a label of the host is too long
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number in _HINTS else getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {option} {address}: {why}", hint=_HINTS.get(number or 0, "")) from error


def name_of(listener: socket.socket) -> str:
    """Return where a socket listens, in the form that `listen` takes."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def remove_path(name: str) -> None:
    """Remove the path of a unix socket, while it still listens: so nobody else can have it by now."""
    if name.startswith("unix:"):
        with contextlib.suppress(OSError):
            os.unlink(name.removeprefix("unix:"))


def _host_and_port(address: str, option: str) -> tuple[str, int]:
    found = _FORM.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(
            f"{option} {address!r} is no address", hint="write 127.0.0.1:8811, [::1]:8811, :8811 or unix:/path"
        )
    return found["v6"] or found["host"], int(found["port"])


def _listen_tcp(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)
    family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)  # of a name, IPv4 first
    return socket.create_server(place, family=family, backlog=_BACKLOG)  # it sets SO_REUSEADDR


def _listen_unix(path: str, option: str) -> socket.socket:
    if not path.startswith("/"):
        raise ConfigError(f"{option} unix:{path} is no absolute path", hint="write unix:/run/shop/jqd.health")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that a killed daemon has left: nobody listens there. Anything else is for `bind` to refuse."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.lstat(path).st_mode):  # a plain file refuses too
                os.unlink(path)
        except OSError:
            return
