"""The connections of a producer's event loops: each has its own, and they end with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jqjobs.api.whereabouts import Whereabouts

if TYPE_CHECKING:
    from jqjobs.store.aio import AsyncStore


class LoopStores:
    """For each event loop of this process that has asked, and has not ended, the connections it has."""

    def __init__(self, whereabouts: Whereabouts) -> None:
        self._whereabouts = whereabouts
        self.by_loop: dict[asyncio.AbstractEventLoop, AsyncStore] = {}

    def of_running_loop(self) -> AsyncStore:
        """Return the connections of the running event loop."""
        loop = asyncio.get_running_loop()
        store = self.by_loop.get(loop)
        if store is None:
            from jqjobs.store.aio import AsyncStore

            for ended in [other for other in list(self.by_loop) if other.is_closed()]:
                self.by_loop.pop(ended, None)  # whoever ended it closed nothing
            address, timeout_s = self._whereabouts.address, self._whereabouts.timeout_s
            store = AsyncStore(address, timeout_s=timeout_s, when_closed=lambda: self.by_loop.pop(loop, None))
            self.by_loop[loop] = store
        return store

    async def close(self) -> None:
        """Close those of the running event loop."""
        store = self.by_loop.get(asyncio.get_running_loop())
        if store is not None:
            await store.close()
