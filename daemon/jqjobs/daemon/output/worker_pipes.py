"""The pipes of one worker, while it is started."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from jqjobs.daemon.output.sink import Sink

STDOUT, STDERR = 1, 2

#: Takes over the end of a pipe that is read: whose it is, by pid, where its lines go.
Serve = Callable[[int, int, Sink], None]


class WorkerPipes:
    """``stdout`` and ``stderr``: what the worker gets as such; None: what the daemon has.

    ``read_ends`` are for the worker too: so it never writes into a pipe without a reader, which would be an error of
    its job in the moment between the death of its daemon and its own.
    """

    def __init__(self, sinks: Mapping[int, Sink], serve: Serve) -> None:
        """``sinks``: where each of the two leads; the same one for both means one pipe, so their order is kept."""
        self._serve = serve
        self._sinks = sinks
        self._ends: dict[Sink, tuple[int, int]] = {}
        self._are_served = False

    def __enter__(self) -> WorkerPipes:
        try:
            for sink in self._sinks.values():
                if sink not in self._ends:
                    self._ends[sink] = os.pipe()
        except OSError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for read_end, write_end in self._ends.values():
            os.close(write_end)
            if not self._are_served:
                os.close(read_end)

    @property
    def stdout(self) -> int | None:
        return self._write_end(STDOUT)

    @property
    def stderr(self) -> int | None:
        return self._write_end(STDERR)

    @property
    def read_ends(self) -> list[int]:
        return [read_end for read_end, _ in self._ends.values()]

    def belong_to(self, pid: int) -> None:
        """Have them read: the worker is there. Raises nothing: who starts a worker must not lose it then."""
        self._are_served = True  # whoever reads an end closes it, too
        for sink, (read_end, _) in self._ends.items():
            self._serve(pid, read_end, sink)

    def _write_end(self, target: int) -> int | None:
        sink = self._sinks.get(target)
        return None if sink is None else self._ends[sink][1]
