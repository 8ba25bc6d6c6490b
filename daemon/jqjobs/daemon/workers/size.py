"""How many workers a daemon has: by its settings, by order of people, or as jobs call for (`daemon.scaler`)."""

from __future__ import annotations

from collections.abc import Collection

from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.seats import Seats
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.bounds import Bounds


class Size:
    """One per daemon. ``bounds``: how many there may be by now. Whoever is given up finishes its job."""

    def __init__(self, bounds: Bounds, workers: WorkerProcesses) -> None:
        self.bounds = bounds
        self.seats = Seats(bounds.least)
        self._workers = workers

    def scale(self, bounds: Bounds) -> int:
        """Have so many workers from now on, whatever the settings say; return how many that is now."""
        self.bounds = bounds
        return self.resize(bounds.nearest(len(self.seats)))

    def resize(self, count: int) -> int:
        """Have so many workers, at least one; return the number."""
        self._retire(self.seats.resize(count))
        return len(self.seats)

    def give_up(self, seat: int) -> None:
        """Have no worker in that seat any more, unless it is the last."""
        self._retire(self.seats.give_up(seat))

    def _retire(self, seats: Collection[int]) -> None:
        for worker in self._workers:
            if worker.seat in seats and worker.plan is None:
                self._workers.stop(worker, stop_plans.retire_plan())
