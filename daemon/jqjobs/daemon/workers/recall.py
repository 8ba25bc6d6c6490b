"""Has jobs given back that wait behind a job which does not let its worker's own threads do that (it holds the GIL).

stalled ─▶ flag on the board ─▶ a moment later, still stalled and the flag still there: what waits goes back in Redis

The worker marks a job as running first and looks at the flag afterwards; here the flag comes first and the look at the
marks afterwards. So what is seen as not started under a flag that stands never is. The worker takes the flag away
when it has heard; the daemon does so only as long as it has given nothing back under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Recall
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.link.board import Board, Entry
from jqjobs.link.board_layout import Stage, Word

#: So much longer than the worker's own thread we wait, which is to come first.
_PATIENCE_MS = 60
#: A store of the worker's is seen here after this long, whatever its processor does.
_SETTLED_MS = 20
#: Redis did not answer, maybe: it is told again, which does no harm.
_AGAIN_MS = 1000
#: So often we look while a worker runs jobs.
_BUSY_TURN_S = 0.1


@dataclass(slots=True)
class _Call:
    """A flag that was set at ``since_ms``, and when Redis was told last, 0: not yet."""

    since_ms: int
    told_ms: int = 0


class Recaller:
    """One per daemon; called by the main loop."""

    def __init__(self, prefetch_ms: int, submit: Callable[[Recall], None]) -> None:
        """``prefetch_ms``: a worker gives back by itself what waits longer. ``submit``: has it done in Redis."""
        self._stalled_ms = prefetch_ms + _PATIENCE_MS
        self._submit = submit
        self._calls: dict[str, _Call] = {}

    def look(self, workers: Iterable[WorkerProcess]) -> float | None:
        """Take the next step with each worker. Return after how many seconds to look again, None: at any time."""
        before, self._calls = self._calls, {}
        waits_s = [self._look_at(worker, before.get(worker.id)) for worker in workers]
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def _look_at(self, worker: WorkerProcess, call: _Call | None) -> float | None:
        board, now_ms = worker.board, monotonic_ms()
        running = board.running()
        stalled_ms = now_ms - max((entry.since_ms for entry in running), default=now_ms)
        behind = _not_started(board) if running and stalled_ms > self._stalled_ms else []
        flag = board.word(Word.RECALL)  # only now: a worker that has heard may go on with other jobs
        if call is not None and flag == call.since_ms:
            return self._follow_up(worker, call, behind, now_ms)
        if behind and not flag:
            board.set_word(Word.RECALL, now_ms)
            self._calls[worker.id] = _Call(now_ms)
            return _SETTLED_MS / 1000
        return _BUSY_TURN_S if running and not behind and stalled_ms <= self._stalled_ms else None

    def _follow_up(self, worker: WorkerProcess, call: _Call, behind: list[Entry], now_ms: int) -> float | None:
        """Our flag stands. What waits may go back now, if that is still called for."""
        if not behind and not call.told_ms:
            worker.board.set_word(Word.RECALL, 0)
            return None
        self._calls[worker.id] = call
        if behind and now_ms - call.since_ms < _SETTLED_MS:
            return _SETTLED_MS / 1000
        if behind and (not call.told_ms or now_ms - call.told_ms >= _AGAIN_MS):
            call.told_ms = now_ms
            log.event("jobs.recalled", worker=worker.id, pid=worker.pid, jobs=len(behind))
            self._submit(Recall(worker.id, tuple(entry.token for entry in behind)))
        return None


def _not_started(board: Board) -> list[Entry]:
    return [entry for entry in board.entries() if entry.stage is Stage.IN_HAND]
