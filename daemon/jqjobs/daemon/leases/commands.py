"""What the main loop has asked of the lease thread: done in order, and kept until Redis has taken it."""

from __future__ import annotations

import queue
from collections.abc import Callable
from itertools import groupby

from jqjobs.base import log
from jqjobs.daemon.lease_messages import Command, Drain, EndWorker, Join, Recall
from jqjobs.errors import StoreError
from jqjobs.store.calls.leases import drain
from jqjobs.store.calls.recalls import recall
from jqjobs.store.going_on import go_on_after
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first


class Commands:
    """`put` is called by the main loop, everything else by the lease thread."""

    def __init__(self, store: Store, do: Callable[[Command], None], joined: dict[str, Join]) -> None:
        """``joined``: the workers whose leases are renewed, by their ids."""
        self._store = store
        self._do = do
        self._joined = joined
        self._new: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._todo: list[Command] = []

    def put(self, command: Command) -> None:
        """Have a command done with the next `do_all`."""
        self._new.put(command)

    @property
    def are_done(self) -> bool:
        """Whether Redis has taken all of them."""
        return not self._todo and self._new.empty()

    def do_all(self) -> None:
        """Do what was asked for; what Redis refuses is kept for the next round and holds up no other.

        Raises: StoreError, at the end; StoreUnavailable at once where there is one server only.
        """
        self._take_in()
        refused: dict[str, StoreError] = {}
        for command in list(self._todo):
            if command.worker_id in refused:
                continue  # what is said of one worker is done in order
            if isinstance(command, Recall):
                self._todo.remove(command)  # it must not hold up the end of a worker, and is asked for anew if need be
            try:
                self._do(command)
            except StoreError as error:
                go_on_after(error, self._store)
                refused[command.worker_id] = error
                continue
            except Exception:  # a defect, which another try would meet again, and all that is asked for after it
                log.event("keeper.error", level=log.CRITICAL, exc_info=True)
            if not isinstance(command, Recall):
                self._todo.remove(command)
        raise_first(list(refused.values()))

    def _take_in(self) -> None:
        while not self._new.empty():
            command = self._new.get()
            if isinstance(command, EndWorker):  # its lease is not renewed any more, whatever holds up its end
                self._joined.pop(command.worker_id, None)
            self._todo.append(command)


def run_recall(store: Store, command: Recall) -> None:
    """Give back in Redis what a worker was told not to start. Raises: StoreError, after all that could be done."""
    by_queue = groupby(sorted(command.jobs), lambda job: job[0])
    store.run_all([recall(name, command.worker_id, [job[1:] for job in jobs]) for name, jobs in by_queue])


def run_drain(store: Store, command: Drain) -> None:
    """Say beside the leases that their workers are about to end: it outlives the leases, and this daemon.

    Raises: StoreError, after all that could be done.
    """
    by_queue: dict[str, list[str]] = {}
    for worker_id, queues in command.workers.items():
        for name in queues:
            by_queue.setdefault(name, []).append(worker_id)
    store.run_all([drain(name, workers) for name, workers in by_queue.items()])
