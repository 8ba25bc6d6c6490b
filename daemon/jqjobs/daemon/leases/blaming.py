"""What is said in Redis of each job that was in the hands of workers that died together. The rules: `jobs.blame`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jqjobs.daemon.lease_messages import EndWorker
from jqjobs.jobs.blame import INTERRUPTED, NEIGHBOUR, Scope, verdicts
from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board import BoardEntry, Entry
from jqjobs.link.board_layout import Stage
from jqjobs.store.reads.suspicions import suspicions
from jqjobs.store.store import Store

#: What is said of jobs whose end the board knows.
_ENDED = {Stage.SUCCEEDED: "succeeded", Stage.FAILED: "failed", Stage.WAITING: "waiting {ms}"}

#: Of each attempt on a board that is not just unstarted: the word that lua/leave.lua reads.
Words = Mapping[AttemptRef, str]


def judge(store: Store, dead: Sequence[EndWorker], scope: Scope) -> Words:
    """Return what is to be said of the jobs of workers that died together. ``scope``: what died, see `verdicts`.

    Raises: StoreUnavailable.
    """
    words: dict[AttemptRef, str] = {}
    unexplained: list[AttemptRef] = []
    for worker in dead:
        for entry in worker.board.entries():
            if entry.stage in _ENDED:
                words[entry.token] = _ENDED[entry.stage].format(ms=entry.since_ms)
            elif entry.stage is Stage.RUNNING and (word := _explained(worker, entry)):
                words[entry.token] = word
            elif entry.stage is Stage.RUNNING:
                unexplained.append(entry.token)
    if unexplained:
        ran = zip(unexplained, suspicions(store, unexplained), strict=True)
        words |= verdicts(list(ran), scope)
    return words


def _explained(worker: EndWorker, entry: Entry) -> str:
    """Return the word for a job that ran, where it is known why its worker ended; else ""."""
    charge = worker.charge
    if charge.only is not None:
        return charge.killed_as if entry.token == charge.only else NEIGHBOUR
    return INTERRUPTED if charge.was_stopped else ""


def board_entries(words: Words, queue: str) -> list[BoardEntry]:
    """Return what the `leave` script must know of the jobs of one queue."""
    return [BoardEntry(job.id, job.attempt, word) for job, word in words.items() if job.queue == queue]
