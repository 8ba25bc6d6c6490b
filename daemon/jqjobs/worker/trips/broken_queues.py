"""Says once when a queue cannot be served, and when it can again."""

from __future__ import annotations

from collections.abc import Iterable

from jqjobs.base import log


class BrokenQueues:
    """Those of the last whole trip."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def hear(self, found: Iterable[tuple[str, str]]) -> None:
        """Note which are broken now, with the error."""
        broken = dict(found)
        if not broken and not self._known:
            return
        for queue in broken.keys() - self._known:
            log.event("queue.broken", level=log.ERROR, queue=queue, error=broken[queue])
        for queue in self._known - broken.keys():
            log.event("queue.mended", queue=queue)
        self._known = set(broken)
