"""Passes on to workers, by their boards, which of their jobs somebody has cancelled. Called by `keeper`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Join
from jqjobs.errors import StoreError
from jqjobs.store.call import Call
from jqjobs.store.calls.cancels import cancels
from jqjobs.store.reads.presence import have_nothing
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

T = TypeVar("T")


def run_and_pass_on_cancels(
    store: Store, call: Call[T], workers: Sequence[Join], note_envelopes: Callable[[Sequence[str]], None]
) -> T:  # fmt: skip
    """Run a call and return its answer; in the same round trip ask what is cancelled in the hands of these workers.

    But not where one question for all of their queues, before that, finds neither a cancel nor an envelope. What is
    cancelled goes to their boards: a worker looks there before it starts a job, and while the job runs.
    ``note_envelopes``: is told in which of these queues envelopes wait.
    Raises: StoreError, after all that could be done.
    """
    here: dict[str, list[str]] = {}
    for join in workers:
        for name in (*join.queues, *join.board.turns.entered()):
            here.setdefault(name, []).append(join.worker_id)
    queues = [] if have_nothing(store, list(here), ["cancels", "inbox"]) else sorted(here)
    asked: list[Call[Any]] = [cancels(name, here[name]) for name in queues]
    first, *answers = store.run_many([call, *asked])
    boards = {join.worker_id: join.board for join in workers}
    for name, answer in zip(queues, answers, strict=True):
        if isinstance(answer, StoreError):
            continue
        if answer.inbox:
            note_envelopes([name])
        for worker_id, job_id, attempt in answer.jobs:
            boards[worker_id].cancel(name, job_id, attempt, monotonic_ms())
    if isinstance(first, StoreError):
        raise first
    raise_first(answers)
    answer_of_call: T = first
    return answer_of_call
