"""Does what orders from Redis ask for, and answers them. Called by the main loop; `listener` carries the words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jqjobs.base import log
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.daemon.control.orders import Order, Verb, scaled

_GOING_ON = frozenset({Verb.QUIET, Verb.RESUME, Verb.RELOAD, Verb.SCALE})
#: State of a daemon that is about to end → what it does not do any more.
_TOO_LATE = {"draining": _GOING_ON, "stopping": _GOING_ON | {Verb.DRAIN}}


class Controlled(Protocol):
    """What can be told to a daemon: the supervisor."""

    @property
    def state(self) -> str: ...
    @property
    def wanted(self) -> int: ...
    def quiet(self) -> None: ...
    def resume(self) -> None: ...
    def reload(self) -> None: ...
    def drain(self) -> None: ...
    def stop_now(self) -> None: ...
    def resize(self, count: int) -> int: ...
    def dump(self, when_written: Callable[[list[dict[str, object]]], None]) -> None: ...


class Remote:
    """The orders of one daemon."""

    def __init__(self, listener: ControlListener) -> None:
        self._listener = listener

    def perform(self, daemon: Controlled) -> None:
        """Do what was ordered since the last call."""
        while not self._listener.orders.empty():
            order = self._listener.orders.get()
            if order.verb is not Verb.PING:
                log.event("order", verb=order.verb.value, argument=order.argument or None)
            self._perform(order, daemon)

    def _perform(self, order: Order, daemon: Controlled) -> None:
        if order.verb is Verb.DUMP:
            daemon.dump(lambda stacks: self._listener.answer(order, True, "here are the stacks", stacks=stacks))
        elif order.verb in _TOO_LATE.get(daemon.state, ()):
            self._listener.answer(order, False, f"it is {daemon.state}", state=daemon.state)
        elif order.verb is Verb.SCALE:
            self._scale(order, daemon)
        else:
            message = self._do(order.verb, daemon)
            self._listener.answer(order, True, message, state=daemon.state)

    def _scale(self, order: Order, daemon: Controlled) -> None:
        count = scaled(order.argument, daemon.wanted)
        if count is None:
            return self._listener.answer(order, False, f"it has {daemon.wanted}; a daemon has 1 to 256 workers")
        before, now = daemon.wanted, daemon.resize(count)
        return self._listener.answer(order, True, f"from {before} to {now} workers", wanted=now)

    def _do(self, verb: Verb, daemon: Controlled) -> str:
        actions: dict[Verb, tuple[Callable[[], object], str]] = {
            Verb.QUIET: (daemon.quiet, "takes no new jobs"),
            Verb.RESUME: (daemon.resume, "takes jobs"),
            Verb.RELOAD: (daemon.reload, "replaces its workers one by one"),
            Verb.DRAIN: (daemon.drain, "lets running jobs finish, then ends"),
            Verb.STOP: (daemon.stop_now, "interrupts running jobs, then ends"),
            Verb.PING: (lambda: None, "is there"),
        }
        act, message = actions[verb]
        act()
        return message
