"""Does what orders from Redis ask for, and answers them. Called by the main loop; `listener` carries the words."""

from __future__ import annotations

from collections.abc import Callable

from jqjobs.base import log
from jqjobs.daemon.control.listener import ControlListener
from jqjobs.daemon.controls import Controls
from jqjobs.store.calls.orders import Order, Verb, scaled

_GOING_ON = frozenset({Verb.QUIET, Verb.RESUME, Verb.RELOAD, Verb.SCALE})
#: State of a daemon that is about to end → what it does not do any more.
_TOO_LATE = {"draining": _GOING_ON, "stopping": _GOING_ON | {Verb.DRAIN}}


class OrderExecutor:
    """The orders of one daemon."""

    def __init__(self, listener: ControlListener) -> None:
        self._listener = listener

    def perform(self, controls: Controls) -> None:
        """Do what was ordered since the last call."""
        while not self._listener.orders.empty():
            order = self._listener.orders.get()
            if order.verb is not Verb.PING:
                log.event("order", verb=order.verb.value, argument=order.argument or None)
            self._perform(order, controls)

    def _perform(self, order: Order, controls: Controls) -> None:
        if order.verb is Verb.DUMP:
            controls.dump(lambda stacks: self._listener.answer(order, True, "here are the stacks", stacks=stacks))
        elif order.verb in _TOO_LATE.get(controls.state, ()):
            self._listener.answer(order, False, f"it is {controls.state}", state=controls.state)
        elif order.verb is Verb.SCALE:
            self._scale(order, controls)
        elif order.verb is Verb.RELOAD:
            nth = controls.reload()
            self._listener.answer(order, True, "replaces its workers one by one", state=controls.state, reload=nth)
        else:
            message = self._do(order.verb, controls)
            self._listener.answer(order, True, message, state=controls.state)

    def _scale(self, order: Order, controls: Controls) -> None:
        bounds, before = scaled(order.argument, controls.wanted), controls.wanted
        if bounds is None:
            return self._listener.answer(order, False, f"it has {before}; a daemon has 1 to 256 workers")
        if bounds.is_range:
            now = controls.follow_load(bounds)
            return self._listener.answer(order, True, f"as many workers as jobs call for: {bounds}", wanted=now)
        now = controls.resize(bounds.least)
        return self._listener.answer(order, True, f"from {before} to {now} workers", wanted=now)

    def _do(self, verb: Verb, controls: Controls) -> str:
        actions: dict[Verb, tuple[Callable[[], object], str]] = {
            Verb.QUIET: (controls.quiet, "takes no new jobs"),
            Verb.RESUME: (controls.resume, "takes jobs"),
            Verb.DRAIN: (controls.drain, "lets running jobs finish, then ends"),
            Verb.STOP: (controls.stop_now, "interrupts running jobs, then ends"),
            Verb.PING: (lambda: None, "is there"),
        }
        act, message = actions[verb]
        act()
        return message
