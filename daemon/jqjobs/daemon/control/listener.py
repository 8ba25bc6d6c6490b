"""Remote control: a thread that waits for orders in Redis and delivers the main loop's answers.

It only carries: what an order does is decided by the main loop, which never waits for Redis.

    list of this daemon in Redis ─▶ orders (and wake) ─▶ main loop ─▶ answer() ─▶ list of who asked

Orders come on one connection, blocked in BLPOP nearly all the time; answers go on another one, made for them, so
they need not wait. The thread waits for both at once, and for its end.
"""

from __future__ import annotations

import queue
import random
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from jqjobs.base import log
from jqjobs.base.wakeup import Wakeup
from jqjobs.daemon.control.orders import Order, OrderAnswer, parse_order
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.call import Call
from jqjobs.store.calls import daemons
from jqjobs.store.outage import Failures
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.store import Store

#: Redis ends the wait for an order after this long: an idle daemon costs one command in that time.
_BLOCK_S = 5
#: No single reply may take longer, so that the end is never far; a BLPOP this much overdue is half-open.
_TIMEOUT_S = 1.0
#: What is older than this is neither done (who ordered it has given up) nor answered.
_STALE_MS = 5000
#: Failures in a row after which a person is told; the lease thread has told of an outage of Redis before.
_SAY_AFTER = 4
_ERROR_PAUSE_S = 1.0


class ControlListener(threading.Thread):
    """One per daemon. `orders`, `answer` and `end` are for the main loop; everything else happens in here."""

    def __init__(self, daemon_id: str, address: Address, wake: Callable[[], None]) -> None:
        super().__init__(name="jqjobs-control", daemon=True)
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._daemon_id = daemon_id
        self._ear = Store(address, timeout_s=_TIMEOUT_S, name="jqd-control")
        self._mouth = Store(address, timeout_s=_TIMEOUT_S, name="jqd-control")
        self._wake = wake
        self._answers: deque[tuple[float, Call[int]]] = deque()
        self._asked_s: float | None = None
        self._failures = Failures(random.Random())
        self._said: set[tuple[str, str]] = set()
        self._ending = threading.Event()
        self._wakeup = Wakeup()

    def answer(self, order: Order, ok: bool, message: str, **facts: Any) -> None:
        """Have an answer delivered; returns at once, whatever Redis does. ``ok``: the daemon does as it was told."""
        said = OrderAnswer(self._daemon_id, ok, message, facts).to_json()
        self._answers.append((time.monotonic(), daemons.post_answer(order.nonce, said)))
        self._wakeup.ring()

    def end(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Deliver what is still to be answered, if Redis lets us, and end; wait for that at most ``timeout_s``."""
        self._ending.set()
        self._wakeup.ring()
        if self.ident is None:  # never started
            self._close()
        else:
            self.join(timeout_s)

    def run(self) -> None:
        """Listen until `end`; an outage of Redis is waited out."""
        try:
            while not self._ending.is_set():
                self._turn()
            self._deliver()
        except StoreUnavailable:
            return  # who asked is told by jqctl that there was no answer
        finally:
            self._close()

    def _close(self) -> None:
        for closed in (self._ear, self._mouth, self._wakeup):
            closed.close()

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        try:
            self._ask()
            if self._wait_for_order():
                self._hear()
            self._deliver()
        except StoreError as error:
            self._stumble(error)
        except Exception:
            log.event("control.error", level=50, exc_info=True)
            self._forget_question()
            self._ending.wait(_ERROR_PAUSE_S)

    def _ask(self) -> None:
        if self._asked_s is not None:
            return
        self._ear.wire.send(("BLPOP", keys.control(self._daemon_id), _BLOCK_S))
        self._asked_s = time.monotonic()

    def _wait_for_order(self) -> bool:
        """Return when a reply is there, True, or when the main loop wants something."""
        assert self._asked_s is not None
        left_s = self._asked_s + _BLOCK_S + _TIMEOUT_S - time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            selector.register(self._ear.wire, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(max(0.0, left_s))]
        if not ready:
            raise StoreUnavailable("Redis does not end the wait for an order: the connection is half-open")
        self._wakeup.clear()
        return self._ear.wire in ready

    def _hear(self) -> None:
        reply = self._ear.wire.read()
        self._asked_s = None
        self._recover()
        if reply is not None:
            self._consider(reply[1])

    def _consider(self, raw: bytes) -> None:
        order = parse_order(raw)
        if order is None:
            return self._say_once("control.ignored", "an order that this version does not understand")
        if server_now_ms(self._ear) - order.at_ms > _STALE_MS:
            return self._say_once("control.ignored", "an order that was posted long ago")
        self.orders.put(order)
        return self._wake()

    def _deliver(self) -> None:
        """Post the answers. While Redis is away they stay until they are stale. Raises: StoreUnavailable."""
        while self._answers:
            said_s, call = self._answers[0]
            if time.monotonic() - said_s < _STALE_MS / 1000:
                self._post(call)
            self._answers.popleft()
        self._mouth.close()  # orders are rare, and a connection that idles for days may be dead without a sign

    def _post(self, call: Call[int]) -> None:
        try:
            self._mouth.run(call)
        except StoreUnavailable:
            raise
        except StoreError as error:  # a missing permission, a key of another type: it will not get better
            self._say_once("control.unanswered", str(error))

    def _say_once(self, event: str, error: str) -> None:
        if (event, error) not in self._said:
            log.event(event, level=30, error=error)
        self._said.add((event, error))

    def _stumble(self, error: StoreError) -> None:
        self._forget_question()
        self._failures.add()
        if self._failures.count == _SAY_AFTER:
            log.event("control.deaf", level=30, error=str(error), hint="jqctl daemon cannot reach this daemon")
        self._ending.wait(self._failures.pause_s())

    def _recover(self) -> None:
        failures = self._failures.clear()
        if failures >= _SAY_AFTER:
            log.event("control.back", failures=failures)

    def _forget_question(self) -> None:
        self._ear.close()
        self._asked_s = None
