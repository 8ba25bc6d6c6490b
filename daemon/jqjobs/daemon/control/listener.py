"""Remote control: a thread that waits for orders in Redis and delivers the main loop's answers.

It only carries: what an order does is decided by the main loop, which never waits for Redis.

    list of this daemon in Redis ─▶ orders (and wake) ─▶ main loop ─▶ answer() ─▶ list of who asked

Orders come on one connection, blocked in BLPOP nearly all the time; answers go on another one, made for them, so
they need not wait: see `answers`. The thread waits for both at once, and for its end.
"""

from __future__ import annotations

import queue
import random
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any

from jqjobs.base import log
from jqjobs.base.wakeup import Wakeup
from jqjobs.daemon.control.answers import STALE_S, OutgoingAnswers
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.calls.orders import Order, parse_order
from jqjobs.store.outage import Failures
from jqjobs.store.reads.queues import time_ms
from jqjobs.store.wire import Wire, raised

#: Redis ends the wait for an order after this long: an idle daemon costs one command in that time.
_BLOCK_S = 5
#: No single reply may take longer, so that the end is never far; a BLPOP this much overdue is half-open.
_TIMEOUT_S = 1.0
#: Failures in a row after which a person is told; the lease thread has told of an outage of Redis before.
_SAY_AFTER = 4
_ERROR_PAUSE_S = 1.0


class ControlListener(threading.Thread):
    """One per daemon. `orders`, `answer` and `end` are for the main loop; everything else happens in here."""

    def __init__(self, daemon_id: str, address: Address, wake: Callable[[], None]) -> None:
        super().__init__(name="jqjobs-control", daemon=True)
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._daemon_id = daemon_id
        #: To the node that has the orders, where there are several.
        self._wire = Wire(address, timeout_s=_TIMEOUT_S, name="jqd-control")
        self._answers = OutgoingAnswers(daemon_id, address, _TIMEOUT_S)
        self._wake = wake
        self._asked_s: float | None = None
        self._failures = Failures(random.Random())
        self._ignored: set[str] = set()
        self._ending = threading.Event()
        self._wakeup = Wakeup()

    def answer(self, order: Order, ok: bool, message: str, **facts: Any) -> None:
        """Have an answer delivered; returns at once, whatever Redis does. ``ok``: the daemon does as it was told."""
        self._answers.put(order, ok, message, facts)
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
            self._answers.deliver()
        except StoreUnavailable:
            return  # who asked is told by jqctl that there was no answer
        finally:
            self._close()

    def _close(self) -> None:
        for closed in (self._wire, self._answers, self._wakeup):
            closed.close()

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        try:
            self._ask()
            if self._wait_for_order():
                self._read_order()
            self._answers.deliver()
        except StoreError as error:
            self._count_failure(error)
        except Exception:
            log.event("control.error", level=log.CRITICAL, exc_info=True)
            self._forget_question()
            self._ending.wait(_ERROR_PAUSE_S)

    def _ask(self) -> None:
        if self._asked_s is not None:
            return
        self._wire.send(("BLPOP", self._wire.address.key(keys.control(self._daemon_id)), _BLOCK_S))
        self._asked_s = time.monotonic()

    def _wait_for_order(self) -> bool:
        """Return when a reply is there, True, or when the main loop wants something."""
        assert self._asked_s is not None
        left_s = self._asked_s + _BLOCK_S + _TIMEOUT_S - time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            selector.register(self._wire, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(max(0.0, left_s))]
        if not ready:
            raise StoreUnavailable("Redis does not end the wait for an order: the connection is half-open")
        self._wakeup.clear()
        return self._wire in ready

    def _read_order(self) -> None:
        reply = raised(self._wire.reply())
        self._asked_s = None
        self._say_back()
        if reply is not None:
            self._pass_on(reply[1])

    def _pass_on(self, raw: bytes) -> None:
        order = parse_order(raw)
        if order is None:
            return self._ignore("an order that this version does not understand")
        if time_ms(self._wire.call("TIME")) - order.at_ms > STALE_S * 1000:
            return self._ignore("an order that was posted long ago")
        self.orders.put(order)
        return self._wake()

    def _ignore(self, what: str) -> None:
        if what not in self._ignored:
            log.event("control.ignored", level=log.WARNING, error=what)
        self._ignored.add(what)

    def _count_failure(self, error: StoreError) -> None:
        self._forget_question()
        self._failures.add()
        if self._failures.count == _SAY_AFTER:
            log.event("control.deaf", level=log.WARNING, error=str(error), hint="jqctl daemon cannot reach this daemon")
        self._ending.wait(self._failures.pause_s())

    def _say_back(self) -> None:
        failures = self._failures.clear()
        if failures >= _SAY_AFTER:
            log.event("control.back", failures=failures)

    def _forget_question(self) -> None:
        self._wire.close()
        self._asked_s = None
