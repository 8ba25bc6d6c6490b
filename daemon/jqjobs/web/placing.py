"""Where the dashboard is in the path that browsers see: mounted in an app, behind a proxy that takes a part away."""

from __future__ import annotations

import re
from dataclasses import replace

from jqjobs.errors import ConfigError
from jqjobs.web.http import Request

#: No empty part: a path that begins with // leads to another host.
_PREFIX = re.compile(r"(/[A-Za-z0-9_.~-]+)*", re.ASCII)
_HEADER = "x-forwarded-prefix"


class Placing:
    """``prefix``: stands before everything, whether a proxy takes it away or not."""

    def __init__(self, prefix: str = "", *, trust_header: bool = False) -> None:
        """``trust_header``: a proxy in front says it. Raises: ConfigError."""
        self._prefix = prefix.rstrip("/")
        self._trust_header = trust_header
        if not _PREFIX.fullmatch(self._prefix):
            raise ConfigError(f"the prefix {prefix!r} is no path", hint="write it as /jobs")

    def of(self, request: Request) -> Request:
        """Return the request with the path below the dashboard, and with all that stands before that."""
        outer, path = self._outer(request), request.path or "/"
        if outer and (path == outer or path.startswith(f"{outer}/")):
            return replace(request, path=path.removeprefix(outer) or "/", prefix=request.prefix + outer)
        if outer and not request.prefix.startswith(outer):
            return replace(request, path=path, prefix=outer + request.prefix)
        return replace(request, path=path)

    def _outer(self, request: Request) -> str:
        said = request.headers.get(_HEADER, "").rstrip("/") if self._trust_header else ""
        return said if said and _PREFIX.fullmatch(said) else self._prefix
