"""Answers to orders on their way to who asked: put in by the main loop, posted by the control thread.

They go on a connection of their own, made for them: the other one is blocked in BLPOP nearly all the time.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from jqjobs.base import log
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.calls import daemons
from jqjobs.store.calls.orders import Order, OrderAnswer
from jqjobs.store.store import Store

#: Who asked has given up after this long.
STALE_S = 5.0


class OutgoingAnswers:
    """One per daemon. `put` is for the main loop, the rest for the control thread."""

    def __init__(self, daemon_id: str, address: Address, timeout_s: float) -> None:
        self._daemon_id = daemon_id
        self._store = Store(address, timeout_s=timeout_s, name="jqd-control")
        self._waiting: deque[tuple[float, Call[int]]] = deque()
        self._refusals: set[str] = set()

    def put(self, order: Order, ok: bool, message: str, facts: dict[str, Any]) -> None:
        """Have an answer posted with the next `deliver`."""
        answer = OrderAnswer(self._daemon_id, ok, message, facts).to_json()
        self._waiting.append((time.monotonic(), daemons.post_answer(order.nonce, answer)))

    def deliver(self) -> None:
        """Post the answers. While Redis is away they stay until they are stale. Raises: StoreUnavailable."""
        while self._waiting:
            put_s, call = self._waiting[0]
            if time.monotonic() - put_s < STALE_S:
                self._post(call)
            self._waiting.popleft()
        self._store.close()  # orders are rare, and a connection that idles for days may be dead without a sign

    def _post(self, call: Call[int]) -> None:
        try:
            self._store.run(call)
        except StoreUnavailable:
            raise
        except StoreError as error:  # a missing permission, a key of another type: it will not get better
            if str(error) not in self._refusals:
                log.event("control.unanswered", level=log.WARNING, error=str(error))
            self._refusals.add(str(error))

    def close(self) -> None:
        """Close the connection."""
        self._store.close()
