"""What workers write, joined by lines: their log, what jobs print, what C libraries and child processes say.

    worker ── pipe ──┐
    worker ── pipe ──┼── jqjobs-output ── stdout, stderr of the daemon
    the daemon's log ┘

Several processes cannot share one pipe: of more than PIPE_BUF bytes pieces get among each other's, one that is killed
leaves half a line, and a reader that stops holds up all of them. Here each worker has a pipe of its own, which is
always read, and one thread writes. A terminal is handed on to the workers as it is, so that colours and progress bars
work there; /dev/null is, too.
"""

from __future__ import annotations

import os
import selectors
import stat
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial

from jqjobs.base import log
from jqjobs.base.log_lines import lost_note, printed_line
from jqjobs.base.wakeup import Wakeup
from jqjobs.daemon.output.sink import Sink
from jqjobs.daemon.output.whole_lines import WholeLines
from jqjobs.daemon.output.worker_pipes import STDERR, STDOUT, WorkerPipes

_READ_BYTES = 65536
#: Lines come together for so long: else each of them would wake a thread of the daemon.
_TOGETHER_S = 0.005
#: How often a reader that has stopped is tried again.
_AGAIN_S = 0.1
#: Lines of the daemon itself that wait for this thread at most.
_MOST_SAID = 10_000
#: What is left at the end is written within this time, or lost: it may be a disk that hangs.
_ENDS_WITHIN_S = 5.0


@dataclass(slots=True, eq=False)
class _Source:
    """One pipe of a worker."""

    descriptor: int
    sink: Sink
    lines: WholeLines

    def fileno(self) -> int:
        return self.descriptor


class Relay(threading.Thread):
    """Runs as long as its ``with`` block. ``form``: json makes each line an object, also what is only printed."""

    def __init__(self, who: str, form: str) -> None:
        super().__init__(name="jqjobs-output", daemon=True)
        self._is_json = form == "json"
        self._sinks = _sinks_of(who, form)
        self._wakeup = Wakeup()
        self._ending = threading.Event()
        self._said: deque[bytes] = deque()
        self._new: deque[_Source] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wakeup, selectors.EVENT_READ)

    def __enter__(self) -> Relay:
        self.start()
        if STDERR in self._sinks:
            log.write_with(self.say)
        return self

    def __exit__(self, *_: object) -> None:
        log.write_with(None)
        self._ending.set()
        self._wakeup.ring()
        self.join(_ENDS_WITHIN_S)

    def pipes(self) -> WorkerPipes:
        """Return the pipes for one worker, to be made around its start."""
        return WorkerPipes(self._sinks, self._serve)

    def say(self, line: bytes) -> bool:
        """Write a line of the daemon itself; False when too many wait already."""
        if len(self._said) >= _MOST_SAID:
            return False
        self._said.append(line)
        self._wakeup.ring()
        return True

    def _serve(self, pid: int, descriptor: int, sink: Sink) -> None:
        os.set_blocking(descriptor, False)
        wrap = partial(printed_line, f"worker:{pid}") if self._is_json else None
        self._new.append(_Source(descriptor, sink, WholeLines(wrap)))
        self._wakeup.ring()

    def run(self) -> None:
        """Pass lines on until the end, then what is there by then; a defect of ours costs a line of the log."""
        while not self._ending.is_set():
            try:
                self._turn()
            except Exception:
                log.event("output.error", level=log.CRITICAL, exc_info=True)
                self._ending.wait(1.0)
        self._welcome()
        for source in self._sources():
            while self._read(source):
                continue
            self._close(source)
        self._pass_on_own()
        for sink in set(self._sinks.values()):
            sink.end()
        self._selector.close()
        self._wakeup.close()

    def _turn(self) -> None:
        sinks = set(self._sinks.values())
        is_busy = False
        for key, _ in self._selector.select(_AGAIN_S if any(sink.is_pending for sink in sinks) else None):
            if isinstance(key.fileobj, _Source):
                is_busy |= self._read(key.fileobj) >= _READ_BYTES
            else:
                self._wakeup.clear()
        self._welcome()
        self._pass_on_own()
        for sink in sinks:
            sink.flush()
        if not is_busy:
            time.sleep(_TOGETHER_S)

    def _welcome(self) -> None:
        while self._new:
            self._selector.register(self._new.popleft(), selectors.EVENT_READ)

    def _sources(self) -> list[_Source]:
        found = [key.fileobj for key in self._selector.get_map().values()]
        return [source for source in found if isinstance(source, _Source)]

    def _read(self, source: _Source) -> int:
        """Pass on what a worker has written; return how many bytes, 0 when there is nothing, or its end was."""
        try:
            data = os.read(source.descriptor, _READ_BYTES)
        except BlockingIOError:
            return 0
        if data:
            source.sink.put(source.lines.feed(data))
        else:
            self._close(source)
        return len(data)

    def _close(self, source: _Source) -> None:
        if source.descriptor not in self._selector.get_map():
            return
        source.sink.put(source.lines.end())
        self._selector.unregister(source)
        os.close(source.descriptor)

    def _pass_on_own(self) -> None:
        while self._said:
            self._sinks[STDERR].put(self._said.popleft())


def _is_null(about: os.stat_result) -> bool:
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == os.stat(os.devnull).st_rdev


def _sinks_of(who: str, form: str) -> dict[int, Sink]:
    """Return what stdout and stderr lead to, but for terminals and /dev/null; one and the same if that is one place."""
    sinks: dict[int, Sink] = {}
    by_place: dict[tuple[int, int], Sink] = {}
    for descriptor in (STDOUT, STDERR):
        about = os.fstat(descriptor)
        if not (os.isatty(descriptor) or _is_null(about)):
            place = about.st_dev, about.st_ino
            by_place.setdefault(place, Sink(descriptor, partial(lost_note, who, form)))
            sinks[descriptor] = by_place[place]
    return sinks
