"""The seats of a daemon: how many workers it wants, and when the next worker of each may start."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator

from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.stop_plans import Life, Restart
from jqjobs.link.bounds import MAX_PROCESSES

_HOUR_S = 3600.0
#: So many deaths are remembered.
_MOST_DEATHS = 1000


class Seats:
    """One number for each worker that is wanted. There is always at least one."""

    def __init__(self, count: int) -> None:
        self._died_s: deque[float] = deque(maxlen=_MOST_DEATHS)
        self._restarts = {seat: Restart() for seat in range(count)}

    def __len__(self) -> int:
        return len(self._restarts)

    def __iter__(self) -> Iterator[int]:
        return iter(self._restarts)

    def __contains__(self, seat: int) -> bool:
        return seat in self._restarts

    def due(self, taken: Collection[int]) -> list[int]:
        """Return the seats without a worker whose next one may start now."""
        now_s = time.monotonic()
        return [seat for seat, restart in self._restarts.items() if seat not in taken and now_s >= restart.at_s]

    def resize(self, count: int) -> list[int]:
        """Have ``count`` seats, as far as that is possible; return those that are given up."""
        wanted = max(1, min(count, MAX_PROCESSES))
        while len(self._restarts) < wanted:
            self._restarts[max(self._restarts, default=-1) + 1] = Restart()
        given_up = sorted(self._restarts)[wanted:]
        for seat in given_up:
            del self._restarts[seat]
        return given_up

    def give_up(self, seat: int) -> list[int]:
        """Have this seat no more, if there is another; return those that are given up."""
        is_possible = seat in self._restarts and len(self._restarts) > 1
        if is_possible:
            del self._restarts[seat]
        return [seat] if is_possible else []

    def forget_deaths(self) -> None:
        """Let every seat's next worker start at once."""
        self._restarts = dict.fromkeys(self._restarts, Restart())

    def after_death(self, seat: int, life: Life) -> float:
        """Plan the successor of a worker that died unasked; return how many seconds from now it may start."""
        now_s = time.monotonic()
        self._died_s.append(now_s)
        restart = stop_plans.after_death(now_s, life, self._restarts[seat].early_deaths)
        self._restarts[seat] = restart
        return restart.at_s - now_s

    def deaths_in_last_hour(self) -> int:
        """Return how many workers died unasked in the last hour."""
        since_s = time.monotonic() - _HOUR_S
        while self._died_s and self._died_s[0] < since_s:
            self._died_s.popleft()
        return len(self._died_s)
