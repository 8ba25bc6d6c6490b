"""The files that pages load: style, scripts. Named by their content, so that browsers keep them for ever.

`static/manifest.json` says of each which version of what it is, and its SHA-256; the tests hold both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from jqjobs.web.http import Response

_KINDS = {
    "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
    "png": "image/png", "ico": "image/x-icon",
}  # fmt: skip
_HASH_CHARS = 12
_FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file. ``served_as``: its name with a part of its hash, ``style.0123456789ab.css``."""

    served_as: str
    kind: str
    body: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return all files by their own names."""
    found = {}
    for place in files("jqjobs.web").joinpath("static").iterdir():
        stem, _, ending = place.name.rpartition(".")
        if ending in _KINDS:
            body = place.read_bytes()
            found[place.name] = Asset(f"{stem}.{sha256(body).hexdigest()[:_HASH_CHARS]}.{ending}", _KINDS[ending], body)
    return found


def asset_response(served_as: str) -> Response | None:
    """Return a file by the name that it is served as, None when there is none."""
    found = next((asset for asset in assets().values() if asset.served_as == served_as), None)
    if found is None:
        return None
    return Response(200, (("Content-Type", found.kind), ("Cache-Control", _FOR_EVER)), found.body)
