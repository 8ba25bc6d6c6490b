"""The event loop that asyncio calls the current one in the main thread: what plain jobs use who turn one themselves.

`asyncio.run` leaves none, and `loop.close()` one of no use: what `asyncio.get_event_loop()` gives a job is not to
depend on who ran before. A loop of use stays, with the clients that belong to it. It never imports asyncio first.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Any


class CurrentLoop:
    """Belongs to the main thread."""

    def __init__(self) -> None:
        self._is_watching = False
        self._policy: Any = None
        self._loop: Any = None

    def watch(self, note: Callable[[str], None]) -> None:
        """Have ``note`` called, from now on, when somebody sets or closes a loop; once asyncio is there."""
        if self._is_watching or "asyncio" not in sys.modules:
            return
        import asyncio

        self._is_watching = True
        policy: Any = next(base for base in asyncio.DefaultEventLoopPolicy.__mro__ if "set_event_loop" in vars(base))
        policy.set_event_loop = _noting(policy.set_event_loop, note)
        asyncio.BaseEventLoop.close = _noting(asyncio.BaseEventLoop.close, note)  # type: ignore[method-assign]

    def keep(self) -> None:
        """Let jobs find what the import of the app has left."""
        if "asyncio" in sys.modules:
            import asyncio

            self._policy, self._loop = asyncio.get_event_loop_policy(), _current()

    def put_back(self) -> None:
        """Give jobs what was kept, where there is no loop of use; somebody has set or closed one."""
        import asyncio

        if _current() is not None:
            return
        with contextlib.suppress(Exception):  # a policy of the app may want arguments
            # A new one makes a loop for who asks, which this one does never again.
            asyncio.set_event_loop_policy(self._policy and type(self._policy)())
        if self._loop is not None and not self._loop.is_closed():
            asyncio.set_event_loop(self._loop)


def _current() -> Any:
    """Return the current event loop, None when there is none or it is closed. Makes none."""
    import asyncio

    state = getattr(asyncio.get_event_loop_policy(), "_local", None)
    loop = getattr(state, "_loop", None)
    return None if loop is None or loop.is_closed() else loop


def _noting(function: Callable[..., Any], note: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        note("event_loop")
        return function(*args, **kwargs)

    return noting
