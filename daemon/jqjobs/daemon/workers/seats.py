"""The slots of a daemon: how many workers it wants, and when the next worker of each may start."""

from __future__ import annotations

import time
from collections.abc import Collection

from jqjobs.daemon.settings import MAX_PROCESSES
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.stop_plans import Restart


class Slots:
    """One number for each worker that is wanted. There is always at least one."""

    def __init__(self, count: int) -> None:
        self._restarts = {slot: Restart() for slot in range(count)}

    def __len__(self) -> int:
        return len(self._restarts)

    def __contains__(self, slot: int) -> bool:
        return slot in self._restarts

    def due(self, taken: Collection[int]) -> list[int]:
        """Return the slots without a worker whose next one may start now."""
        now_s = time.monotonic()
        return [slot for slot, restart in self._restarts.items() if slot not in taken and now_s >= restart.at_s]

    def resize(self, count: int) -> list[int]:
        """Have ``count`` slots, as far as that is possible; return those that are given up."""
        wanted = max(1, min(count, MAX_PROCESSES))
        while len(self._restarts) < wanted:
            self._restarts[max(self._restarts, default=-1) + 1] = Restart()
        given_up = sorted(self._restarts)[wanted:]
        for slot in given_up:
            del self._restarts[slot]
        return given_up

    def forgive(self) -> None:
        """Let every slot's next worker start at once."""
        self._restarts = dict.fromkeys(self._restarts, Restart())

    def after_death(self, slot: int, lived_s: float) -> float:
        """Plan the successor of a worker that died unasked; return how many seconds from now it may start."""
        now_s = time.monotonic()
        restart = stop_plans.after_death(now_s, lived_s, self._restarts[slot].short_lives)
        self._restarts[slot] = restart
        return restart.at_s - now_s
