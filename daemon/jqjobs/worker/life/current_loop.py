"""The event loop that asyncio calls the current one in the main thread: what plain jobs use who turn one themselves.

`asyncio.run` leaves none, and `loop.close()` one of no use: what `asyncio.get_event_loop()` gives a job is not to
depend on who ran before. A loop of use stays, with the clients that belong to it. It never imports asyncio first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class CurrentLoop:
    """Belongs to the main thread. The loops of other threads are theirs."""

    def __init__(self) -> None:
        self._is_watching = False
        self._policy: Any = None
        self._loop: Any = None

    def watch(self, noting: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Have it noted, from now on, when somebody sets or closes a loop; once asyncio is there.

        ``noting``: makes a function one that is noticed when it is called.
        """
        if self._is_watching or "asyncio" not in sys.modules:
            return
        import asyncio

        self._is_watching = True
        policies: set[Any] = {*asyncio.DefaultEventLoopPolicy.__mro__, *type(asyncio.get_event_loop_policy()).__mro__}
        for kind in policies - {asyncio.AbstractEventLoopPolicy}:
            if "set_event_loop" in vars(kind):
                kind.set_event_loop = noting(kind.set_event_loop)
        asyncio.BaseEventLoop.close = noting(asyncio.BaseEventLoop.close)  # type: ignore[method-assign]

    def keep(self) -> None:
        """Let jobs find what the import of the app has left."""
        if "asyncio" in sys.modules:
            import asyncio

            self._policy, self._loop = asyncio.get_event_loop_policy(), _current()

    def put_back(self) -> None:
        """Give jobs what was kept, where there is no loop of use."""
        if "asyncio" not in sys.modules:
            return
        import asyncio

        if _current() is not None:
            return
        if self._policy is not None and asyncio.get_event_loop_policy() is not self._policy:
            asyncio.set_event_loop_policy(self._policy)
        if (state := _state()) is not None:  # it makes a loop for who asks, as before anybody had one
            state._loop, state._set_called = None, False
        if self._loop is not None and not self._loop.is_closed():
            asyncio.set_event_loop(self._loop)


def _state() -> Any:
    """Return what the policy knows of this thread; None of a policy that is not asyncio's nor derived from that."""
    import asyncio

    return getattr(asyncio.get_event_loop_policy(), "_local", None)


def _current() -> Any:
    """Return the current event loop, None when there is none or it is closed. Makes none."""
    loop = getattr(_state(), "_loop", None)
    return None if loop is None or loop.is_closed() else loop
