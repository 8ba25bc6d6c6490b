"""The connections of `jqctl web`: whoever is slow on purpose, or only holds the line, does not hold it for long.

connected ─▶ head of a request, 10 s ─▶ body (adapters.py), answer, 60 s together ─▶ idle, 5 s ─▶ next head …
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

#: So long the head of a request takes; so long a request in all, until its answer is read.
HEAD_S, REQUEST_S = 10.0, 60.0


class Connection(H11Protocol):
    """Speaks HTTP/1.1, strictly, and looks at the clock."""

    _timer: asyncio.TimerHandle | None = None
    _is_in_request = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait(HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Take what came: a head that is whole begins a request."""
        super().data_received(data)
        if self._timer is None:
            self._wait(HEAD_S)  # after an answer: the next head has begun
        if self.cycle is not None and not self.cycle.response_complete and not self._is_in_request:
            self._is_in_request = True
            self._wait(REQUEST_S)

    def on_response_complete(self) -> None:
        """End a request; one that was sent ahead begins."""
        self._is_in_request = False
        self._stop()
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            self._is_in_request = True
            self._wait(REQUEST_S)
        elif self.transport.get_write_buffer_size():
            self._wait(REQUEST_S)  # it is complete, and not read yet: closing would wait for that

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
