"""What becomes of the jobs of a worker that has ended, by the words that its daemon has for them."""

from __future__ import annotations

from property.limits_model import free_places
from property.queue_model import Queue, in_order

#: Words of jobs that ran until their worker ended; beside these, each suspicion.
RAN = ("crashed", "hung", "cancelled", "interrupted", "neighbour", "unknown")


def end_worker(q: Queue, now: int, worker: str, board: dict[str, tuple[int, str]] | None, share: float = 1) -> int:
    """End a worker as `lua/rules/workers/dead_worker.lua` does; return how many jobs it had in hand.

    ``board``: None: nobody could read it.
    """
    del q.leases[worker]
    was_draining = worker in q.draining
    q.draining.discard(worker)
    in_hand = in_order(q.active.get(worker, {}))
    for job_id, (rank, attempt) in in_hand:
        q.leave_active(worker, job_id)
        on_board = (board or {}).get(job_id, (None, ""))
        word = "unknown" if board is None else on_board[1] if on_board[0] == attempt else "unstarted"
        limited = q.jobs[job_id].limits
        if word not in ("unstarted", "succeeded") and not word.startswith("waiting"):
            q.jobs[job_id].uncleaned = attempt
        if (q.jobs[job_id].cancel or word == "cancelled") and word != "succeeded":
            _end_cancelled(q, now, job_id, word)
        elif word == "unknown" and not was_draining:
            q.lose(now, job_id, rank)
        else:
            _settle(q, now, job_id, rank, word, share)
        free_places(q, now, job_id, attempt, limited)
    q.active.pop(worker, None)
    return len(in_hand)


def _end_cancelled(q: Queue, now: int, job_id: str, word: str) -> None:
    if word in (*RAN, "failed") or word.startswith("suspect"):
        q.jobs[job_id].remember()
    q.end_cancelled(now, job_id, has_run=word != "unstarted")


def _settle(q: Queue, now: int, job_id: str, rank: int, word: str, share: float) -> None:
    if word == "succeeded":
        keep = q.option(q.jobs[job_id], "keep") or q.option(q.jobs[job_id], "keep_ms")
        q.succeed(now, job_id, keep)
    elif word.startswith("waiting"):
        q.enter_waiting(now, job_id, int(word.split()[1]), None)
    elif word.startswith("suspect"):
        q.make_suspect(job_id, rank, word.removeprefix("suspect "))
    elif word in ("failed", "hung"):
        q.fail_unreported(now, job_id, share, word)
    elif word == "crashed":
        q.crash(now, job_id, share)
    elif word in RAN:
        q.interrupt(job_id, rank)
    else:
        q.give_back_unrun(job_id, rank)
