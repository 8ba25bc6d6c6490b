"""Where the dashboard is in the path that browsers see: below a path of its own, behind a proxy that takes a part away.

browser  /ops/jobs/queues/q   /ops: a proxy takes it away (`stripped`)   /jobs: arrives (`mount`)   the rest: ours
"""

from __future__ import annotations

import re
from dataclasses import replace

from jqjobs.errors import ConfigError
from jqjobs.web.http import Request

#: No empty part: a path that begins with // leads to another host.
_PREFIX = re.compile(r"(/[A-Za-z0-9_.~-]+)*", re.ASCII)
_HEADER = "x-forwarded-prefix"


class Placing:
    """``mount``: stands before all paths that arrive. ``stripped``: stood before them until a proxy took it away."""

    def __init__(self, mount: str = "", stripped: str = "", *, trust_header: bool = False) -> None:
        """``trust_header``: that proxy says itself what it took away. Raises: ConfigError."""
        self.mount, self._stripped = _checked(mount), _checked(stripped)
        self._trust_header = trust_header

    def of(self, request: Request) -> Request:
        """Return the request with the path below the dashboard, "" where that is elsewhere, and what is before."""
        prefix = f"{self._taken_away(request)}{request.prefix}{self.mount}"
        return replace(request, path=self._below(request.path or "/"), prefix=prefix)

    def _below(self, path: str) -> str:
        if not self.mount or path.startswith(f"{self.mount}/"):
            return path.removeprefix(self.mount)
        return "/" if path == self.mount else ""

    def _taken_away(self, request: Request) -> str:
        said = request.headers.get(_HEADER, "").rstrip("/") if self._trust_header else ""
        return said if said and _PREFIX.fullmatch(said) else self._stripped


def _checked(path: str) -> str:
    found = path.rstrip("/")
    if not _PREFIX.fullmatch(found):
        raise ConfigError(f"{path!r} is no path", hint="write it as /jobs")
    return found
