"""What keeps others out: headers that every response has, and whether a request that changes something is our own.

There is no cookie and no session. Who is asked for a password by the browser sends it with every request, those that
another site makes the browser send too: so a request that changes something must say that it comes from here.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from jqjobs.web.http import SAFE, Request

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Unless the response says otherwise.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PORTS = {"http": 80, "https": 443}


def is_our_own(request: Request, origins: Collection[str] = ()) -> bool:
    """Whether a request is one that another site cannot have made.

    ``origins``: where browsers see the dashboard, when a proxy in front changes host or scheme.
    """
    if request.method in SAFE:
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # browsers send it to https and localhost, and no page can forge it
        return site == "same-origin"
    source = request.headers.get("origin") or request.headers.get("referer")
    if source is not None:
        ours = {_origin(f"{request.scheme}://{request.host}"), *map(_origin, origins)} - {None}
        return _origin(source) in ours
    return request.headers.get("authorization", "").lower().startswith("bearer ")  # what no browser adds by itself


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a URL; None when it has none, as "null"."""
    try:
        found = urlsplit(url)
        port = _PORTS.get(found.scheme) if found.port is None else found.port
    except ValueError:
        return None
    return (found.scheme, found.hostname, port) if found.hostname and port else None


def host_name(host: str) -> str:
    """Return the name in a Host header, without its port; "" when it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address, None for a name; one of IPv4 as that, also where a socket of IPv6 names it ``::ffff:…``."""
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(host: str) -> bool:
    """Whether a name or address is that of this host alone."""
    address = address_of(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")
