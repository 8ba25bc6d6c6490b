"""What becomes of the jobs of a worker that has ended, by what its board had of them."""

from __future__ import annotations

from property.limits_model import free_places
from property.queue_model import Queue


def end_worker(q: Queue, now: int, worker: str, mode: str, board: dict[str, tuple[int, str]] | None) -> int:
    """End a worker as `lua/rules/workers/dead_worker.lua` does; return how many jobs it had in hand.

    ``board``: None: nobody could read it.
    """
    del q.leases[worker]
    in_hand = q.active.get(worker, {})
    in_order = sorted(in_hand.items(), key=lambda item: item[1][0])
    for job_id, (rank, attempt) in in_order:
        q.leave_active(worker, job_id)
        on_board = (board or {}).get(job_id, (None, ""))
        state = on_board[1] if on_board[0] == attempt else "unstarted"
        stopped = mode == "cancelled" and state == "running"
        limited = q.jobs[job_id].limits
        if (q.jobs[job_id].cancel or stopped) and state != "succeeded":
            _end_cancelled(q, now, job_id, state if board is not None else "running")
        elif board is None:
            q.make_suspect(now, job_id, rank)
        else:
            _settle(q, now, job_id, rank, state, mode)
        free_places(q, now, job_id, attempt, limited)
    q.active.pop(worker, None)
    return len(in_order)


def _end_cancelled(q: Queue, now: int, job_id: str, state: str) -> None:
    if state in ("running", "interrupted", "failed"):
        q.jobs[job_id].remember()
    q.end_cancelled(now, job_id, has_run=state != "unstarted")


def _settle(q: Queue, now: int, job_id: str, rank: int, state: str, mode: str) -> None:
    if state == "succeeded":
        keep = q.option(q.jobs[job_id], "keep") or q.option(q.jobs[job_id], "keep_ms")
        q.succeed(now, job_id, keep)
    elif state.startswith("waiting"):
        q.enter_waiting(now, job_id, int(state.split()[1]), 0)
    elif state == "failed" or (state == "running" and mode == "hung"):
        q.fail(now, job_id, 0)
    elif state == "running":
        {"crash": q.crash, "suspect": q.make_suspect, "interrupt": q.interrupt}[mode](now, job_id, rank)
    elif state == "interrupted":
        q.interrupt(now, job_id, rank)
    else:
        q.give_back_unrun(job_id, rank)
