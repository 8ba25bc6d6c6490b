"""One connection to Redis that many coroutines send over at once; the replies come in the order of the commands.

For calls that are short in Redis and made by many. What they send in one turn of the event loop goes out in one write.

    ask ─▶ coming ─▶ one write a turn ─▶ sent ─▶ replies ─▶ who asked
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import Any

import hiredis

from jqjobs.errors import StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.async_wire import AsyncWire, broken, hand_over, has_ended
from jqjobs.store.error_replies import OF_CREDENTIALS, error_of
from jqjobs.store.freshness import PING, PING_AFTER_S, PING_PATIENCE_S
from jqjobs.store.sockets import unavailable

#: One that was used so recently is not looked at, as with threads.
_IN_USE_S = 0.001
#: An answer that is to come, and when it is given up, seconds of the monotonic clock.
_Waiter = tuple[asyncio.Future[Any], float]


class AsyncPipe(asyncio.Protocol):
    """A connection that was made by a wire. It ends when Redis says that it is of no use, or does not answer.

    Nothing is asked of it any more then; who has asked still gets an answer, as long as it is in time.
    """

    def __init__(self, wire: AsyncWire) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader()
        self._coming: list[tuple[bytes, _Waiter]] = []
        self._sent: deque[_Waiter] = deque()
        self._is_paused = False
        self._is_open = True
        self._is_doubted = False
        self._looked_s = time.monotonic()
        #: When somebody is to be given up next.
        self._due_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._stream, self._before = hand_over(wire, self)

    def ask(self, packed: bytes, until_s: float) -> asyncio.Future[Any]:
        """Send a command; return what gets its reply, or a StoreError: none came by ``until_s``, it was not sent."""
        answer = self._loop.create_future()
        if not self._coming:
            self._loop.call_soon(self._write)
        self._coming.append((packed, (answer, until_s)))
        if until_s < self._due_s:
            self._wake_at(until_s)
        return answer

    def _wake_at(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_s = due_s
        self._timer = None if due_s == math.inf else self._loop.call_later(due_s - time.monotonic(), self._give_up)

    def is_of_use(self) -> bool:
        """Return whether it can be asked right away; see `answers` for one that has been idle."""
        if not self._is_open or self._is_doubted:
            return False
        if self._sent or self._coming:
            return True
        now_s = time.monotonic()
        idle_s = now_s - self._looked_s
        if idle_s < _IN_USE_S:
            return True
        if has_ended(self._stream):
            self.retire()
            return False
        self._is_doubted = idle_s > PING_AFTER_S
        self._looked_s = now_s
        return not self._is_doubted

    async def answers(self) -> bool:
        """Return whether it is of use; ask Redis, where it has been idle for long."""
        if not self._is_doubted:
            return self.is_of_use()
        reply = await self.ask(PING, time.monotonic() + PING_PATIENCE_S)
        self._is_doubted = False
        if isinstance(reply, StoreError):
            self.retire()
        return self._is_open

    def _write(self) -> None:
        if self._is_paused or not self._is_open:
            return
        coming = [each for each in self._coming if not each[1][0].done()]
        self._coming.clear()
        self._sent += [waiter for _, waiter in coming]
        self._stream.write(b"".join([packed for packed, _ in coming]))

    def pause_writing(self) -> None:
        """Too much is on its way already."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._is_paused = False
        self._write()

    def data_received(self, data: bytes) -> None:
        """Give those who have asked their replies."""
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                answer, _ = self._sent.popleft()
                if isinstance(reply, hiredis.ReplyError):
                    reply = error_of(reply)
                    self._judge(reply)
                if not answer.done():
                    answer.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:  # what nobody has asked for is no answer either
            self._end(error)
        if self._sent or self._coming:
            return
        self._looked_s = time.monotonic()
        if not self._is_open:
            self._wire.close()

    def _judge(self, error: Exception) -> None:
        """Whether an error speaks against the connection: another server may be behind the address by now."""
        if isinstance(error, StoreBusy) or (isinstance(error, StoreError) and error.reason in OF_CREDENTIALS):
            self.retire()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        self._before.connection_lost(exc)
        self._end(exc or ConnectionResetError("the server closed the connection"))

    def _end(self, error: Exception) -> None:
        self.retire()
        waiting, self._sent = self._sent, deque()
        for answer, _ in waiting:
            if not answer.done():
                answer.set_result(broken(self._wire.address, error))
        self._wake_at(math.inf)
        self._wire.close()

    def retire(self) -> None:
        """Take no more; end once nobody waits for a reply."""
        self._is_open = False
        coming, self._coming = self._coming, []
        for _, (answer, _) in coming:
            if not answer.done():
                answer.set_result(_unsent(self._wire.address))
        if all(answer.done() for answer, _ in self._sent):
            self._wire.close()

    async def aclose(self) -> None:
        """Take no more, and wait for the end, unless somebody waits for a reply."""
        self.retire()
        if all(answer.done() for answer, _ in self._sent):
            await self._wire.aclose()

    def _give_up(self) -> None:
        """Tell those whose time is over, and look again when the next one's is."""
        now_s = time.monotonic()
        for waiters, was_sent in ((self._sent, True), ([waiter for _, waiter in self._coming], False)):
            for answer, until_s in waiters:
                if until_s <= now_s and not answer.done():
                    answer.set_result(unavailable(self._wire.address, TimeoutError(), unanswered=was_sent))
                    self._is_open = False
        left = [until_s for answer, until_s in (*self._sent, *(each[1] for each in self._coming)) if not answer.done()]
        if not self._is_open:
            self.retire()
        self._wake_at(min(left, default=math.inf))


def _unsent(address: Address) -> StoreUnavailable:
    ended = ConnectionResetError("the connection has ended")
    error = unavailable(address, ended)
    error.__cause__ = ended
    return error
