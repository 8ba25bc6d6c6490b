"""Calls put off until the script, the request or the batch of jobs is over: in this process, stored nowhere.

In a request, which a WSGI or ASGI wrapper opens, calls run after its response; elsewhere when the process exits in
an orderly way. They run in the order they were given; what one raises is logged.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable
from typing import Any

from jqjobs.base import log

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
AsgiApp = Callable[[MutableMapping[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


class Calls:
    """Calls that wait for one end. Those that come while they run are run too."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], Any]] = deque()
        self.closed = False

    def run(self) -> None:
        """Run all, in a thread; a coroutine in an event loop of its own."""
        while self.waiting:
            self.run_next()

    def run_next(self) -> None:
        """Run the first one."""
        call = self.waiting.popleft()
        try:
            _finish(call())
        except (Exception, SystemExit):
            _say(call)

    async def run_async(self) -> None:
        """Run all, from a coroutine: coroutine functions here, plain ones in another thread."""
        import asyncio

        while self.waiting:
            call = self.waiting.popleft()
            try:
                result = await asyncio.to_thread(call)
                if isawaitable(result):
                    await result
            except (Exception, SystemExit):
                _say(call)


class Later:
    """What one app has put off. Nothing is registered with the process before the first call is put off."""

    def __init__(self) -> None:
        self._request: ContextVar[Calls | None] = ContextVar("jqjobs_request", default=None)
        self._process = Calls()
        self._pid = 0

    def add(self, call: Callable[[], Any]) -> None:
        """Put a call off until the request ends, or the process where there is none."""
        request = self._request.get()
        calls = self._of_process() if request is None or request.closed else request
        calls.waiting.append(call)

    def _of_process(self) -> Calls:
        if self._pid != os.getpid():  # a forked child leaves its parent's calls to it
            calls = Calls()
            atexit.register(self._run_at_exit, os.getpid(), calls)
            self._process, self._pid = calls, os.getpid()  # in this order: whoever sees the pid finds these calls
        return self._process

    @staticmethod
    def _run_at_exit(pid: int, calls: Calls) -> None:
        if os.getpid() == pid:
            calls.run()

    @property
    def pending(self) -> bool:
        """Whether calls wait that belong to no request."""
        return bool(self._process.waiting) and self._pid == os.getpid()

    def run_next(self) -> None:
        """Run the first call that waits for the end of the process now; a worker does so between two batches."""
        self._of_process().run_next()

    def wsgi(self, application: WsgiApp) -> WsgiApp:
        """Return a WSGI application whose requests run their calls when the server closes the response (PEP 3333)."""

        def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            calls, before = self._open()
            try:
                body = application(environ, start_response)
            except BaseException:  # no response will be closed
                self._close(calls, before)
                raise
            return _Body(body, partial(self._close, calls, before))

        return wrapped

    def asgi(self, application: AsgiApp) -> AsgiApp:
        """Return an ASGI application whose requests run their calls once it has sent its response and returned."""

        async def wrapped(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                return await application(scope, receive, send)
            calls, before = self._open()
            try:
                await application(scope, receive, send)
            finally:
                try:
                    await calls.run_async()
                finally:
                    self._end(calls, before)
            return None

        return wrapped

    def _open(self) -> tuple[Calls, Calls | None]:
        calls, before = Calls(), self._request.get()
        self._request.set(calls)
        return calls, before

    def _close(self, calls: Calls, before: Calls | None) -> None:
        try:
            calls.run()
        finally:
            self._end(calls, before)

    def _end(self, calls: Calls, before: Calls | None) -> None:
        calls.closed = True  # who still knows this request, a thread say, must not put a call where nobody looks
        self._request.set(before)


class _Body:
    """The body of a WSGI response; it tells when the server is done with it."""

    def __init__(self, body: Iterable[bytes], when_closed: Callable[[], None]) -> None:
        self._body = body
        self._when_closed = when_closed

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """End the response, then run what was put off."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._when_closed()


def _finish(result: Any) -> None:
    if isawaitable(result):
        import asyncio  # costs 50 ms; only those who put coroutines off pay

        asyncio.run(_awaited(result))


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _say(call: Callable[[], Any]) -> None:
    function = getattr(call, "func", call)
    log.event(
        "later.failed", level=log.ERROR, exc_info=True, function=getattr(function, "__qualname__", repr(function))
    )
