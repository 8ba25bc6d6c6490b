"""Threads that answer requests for an event loop: a bounded number, and a bounded number of requests that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from jqjobs.web.http import TEXT, Request, Response, text_response

#: Most of them wait for Redis, so there are more than processors. Beyond so many that wait nobody is helped.
_THREADS, _MOST_WAITING = 32, 96
_TOO_MANY = text_response(503, "too many requests at the same time\n", TEXT, ("Retry-After", "1"))


class Threads:
    """Made where the app is made; a thread starts when it is needed."""

    def __init__(self, threads: int = _THREADS, waiting: int = _MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, "jqjobs-web")
        self._most = threads + waiting
        self._requests = 0

    async def answer(self, handle: Callable[[Request], Response], request: Request) -> Response:
        """Return the answer of a handler that may wait, in the context of who asks."""
        if self._requests >= self._most:
            return _TOO_MANY
        self._requests += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, copy_context().run, handle, request)
        finally:
            self._requests -= 1
