"""Reads a Redis URL into an address, and opens a socket to it. Knows nothing of commands.

Forms: ``redis://[user:password@]host[:port][/db]``, ``rediss://…`` (TLS), ``unix://[user:password@]/path[?db=0]``.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from jqjobs.errors import ConfigError

if TYPE_CHECKING:
    import ssl

#: sun_path of unix(7), less its final NUL.
_SOCKET_PATH_BYTES = 107
_HINT = "write redis://host:6379/0, rediss://host:6380/0, unix:///path/to.sock?db=0 or embedded:"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is, and who we are there. ``str()`` of it never shows the password."""

    host: str = ""
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}" + (f"?db={self.db}" if self.db else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"


def parse_url(url: str) -> Address:
    """Return the address of a Redis URL.

    Raises: ConfigError when the URL has another form; the message does not repeat a password.
    """
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        address = _address(parts, query)
        address.host.encode("idna")  # what a resolver would refuse much later, with a UnicodeError
        if len(address.path.encode()) > _SOCKET_PATH_BYTES:
            raise ValueError(f"a socket path has at most {_SOCKET_PATH_BYTES} bytes")
        return address
    except ValueError as error:
        raise ConfigError(f"the Redis URL does not parse: {error}", hint=_HINT) from None


def _address(parts: Any, query: dict[str, str]) -> Address:
    unknown = set(query) - {"db", "ssl_ca_certs"}
    if parts.scheme not in ("redis", "rediss", "unix") or unknown:
        what = f"option {sorted(unknown)[0]!r}" if unknown else f"scheme {parts.scheme!r}"
        raise ConfigError(f"the Redis URL has an unknown {what}", hint=_HINT)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        if not parts.path:
            raise ConfigError("the Redis URL names no socket path", hint=_HINT)
        return Address(path=unquote(parts.path), db=int(query.get("db", 0)), username=user, password=password)
    db = int(query.get("db", parts.path.strip("/") or 0))
    return Address(
        host=parts.hostname or "127.0.0.1", port=parts.port or 6379, db=db, tls=parts.scheme == "rediss",
        ca_file=query.get("ssl_ca_certs", ""), username=user, password=password,
    )  # fmt: skip


def open_socket(address: Address, timeout_s: float) -> socket.socket:
    """Connect and return the socket, with ``timeout_s`` on every operation. Raises: OSError."""
    if address.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout_s)
            sock.connect(address.path)
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return tls_context(address).wrap_socket(sock, server_hostname=address.host) if address.tls else sock


def tls_context(address: Address) -> ssl.SSLContext:
    """Return what TLS to an address is checked by."""
    import ssl  # only where it is needed: it costs 30 ms

    return ssl.create_default_context(cafile=address.ca_file or None)
