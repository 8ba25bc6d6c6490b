"""The sentinels of a ``redis+sentinel://`` URL: where they are, which service of theirs is ours, who we are to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jqjobs.errors import ConfigError
from jqjobs.store.tls import Tls

OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_PORT = 26379
#: As sentinel.c lets a service be called.
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_PLACE = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?", re.ASCII)
_EXAMPLE = "write redis+sentinel://s1:26379,s2,s3/mymaster/0"

#: Host and port.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Those who know the primary of ``service``, which is what `sentinel monitor` calls it."""

    service: str
    places: tuple[Place, ...]
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        return ",".join(map(place_text, self.places))


def place_text(place: Place) -> str:
    """Return ``host:port``, an address of IPv6 in brackets."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def sentinels_of(places: str, service: str, options: Mapping[str, str], tls: Tls | None) -> Sentinels:
    """Return what a URL says. ``places``: as it stands there. Raises: ConfigError, which repeats none of it."""
    if not _SERVICE.fullmatch(service):
        raise ConfigError("the Redis URL names no service of its sentinels", hint=_EXAMPLE)
    username, password = (options.get(name, "") for name in ("sentinel_username", "sentinel_password"))
    if username and not password:
        raise ConfigError("the Redis URL has sentinel_username without sentinel_password", hint="say both, or neither")
    found = places_of(places, _PORT, "sentinel", _EXAMPLE)
    return Sentinels(service, found, username, password, tls)


def places_of(text: str, port: int, what: str, example: str) -> tuple[Place, ...]:
    """Return what a URL names between commas. ``port``: where it says none. Raises: ConfigError, which repeats none."""
    return tuple(_place(each, port, f"the Redis URL names a {what} that is no host, nor host:port", example)
                 for each in text.split(","))  # fmt: skip


def _place(text: str, default: int, problem: str, example: str) -> Place:
    found = _PLACE.fullmatch(text)
    port = int(found["port"] or default) if found else 0
    if found is None or not 0 < port <= 65535:
        raise ConfigError(problem, hint=example)
    host: str = found["v6"] or found["host"]
    host.encode("idna")  # as for the host of one server
    return host, port
