"""Database connections around jobs, as Django treats them around requests: what is broken or too old is closed.

A connection that the database has ended meanwhile shows that only when it is used. So it is looked at before its first
use in each job (``CONN_HEALTH_CHECKS``, whatever the settings say): one that lives costs a round trip, jobs that need
none pay nothing. Inside an open transaction, as in tests, nothing is touched.

Async jobs reach the database through asgiref's thread, which all of them share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections, reset_queries

from jqjobs.jobs.context import JobContext


def around(job: JobContext, call: Callable[[], Any]) -> Any:
    """Run a plain job; the middleware of the project's app."""
    close_old_connections()
    _distrust()
    try:
        return call()
    finally:
        close_old_connections()


class AroundAsync:
    """Runs async jobs; as a middleware. While others run, what they may be reading from stays open."""

    def __init__(self) -> None:
        self._running = 0  # changed in asgiref's thread only

    async def around(self, job: JobContext, call: Callable[[], Awaitable[Any]]) -> Any:
        """Run an async job."""
        await sync_to_async(self._begin)()
        try:
            return await call()
        finally:
            await sync_to_async(self._end)()

    def _begin(self) -> None:
        if not self._running:
            close_old_connections()
        self._running += 1
        _distrust()

    def _end(self) -> None:
        self._running -= 1
        if not self._running:
            close_old_connections()


def _distrust() -> None:
    """Have each connection of this thread looked at before it is used again."""
    reset_queries()  # which Django keeps when DEBUG is on
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.health_check_enabled, connection.health_check_done = True, False
