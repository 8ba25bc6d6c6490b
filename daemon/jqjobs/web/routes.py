"""Which path is answered by what, and the right that it takes. A handler gets the visit and returns the response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jqjobs.web.access import Right
from jqjobs.web.http import Response
from jqjobs.web.visit import Visit

Handler = Callable[[Visit], Response]


class Route(NamedTuple):
    """``pattern``: a path; a part ``{name}`` of it is anything without a slash."""

    method: str
    pattern: str
    handler: Handler
    right: Right = Right.READ


class Found(NamedTuple):
    """What a path leads to. ``allowed``: the methods that it takes, when this is none of them; none: no such path."""

    route: Route | None
    params: Mapping[str, str]
    allowed: Sequence[str] = ()


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._patterns = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.pattern)), route)
                          for route in routes]  # fmt: skip

    def find(self, method: str, path: str) -> Found:
        """Return where a request leads; a HEAD goes where a GET does."""
        wanted = "GET" if method == "HEAD" else method
        hits = [(route, found.groupdict()) for pattern, route in self._patterns if (found := pattern.fullmatch(path))]
        for route, params in hits:
            if route.method == wanted:
                return Found(route, params)
        return Found(None, {}, sorted({route.method for route, _ in hits}))
