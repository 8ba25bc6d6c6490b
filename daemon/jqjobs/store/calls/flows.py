"""What goes from queue to queue with the ends of jobs: words to batches, steps and callbacks that begin elsewhere, and
what these lead to in their turn. Each step needs one queue only; whoever stops in between leaves the rest to a daemon.

    Telling    what batches in other queues are to hear; the members of a batch that is cancelled
    Bringing   jobs on their way to other queues
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from jqjobs.errors import StoreError
from jqjobs.jobs.flow import BatchState, BatchStatus
from jqjobs.store.call import Call
from jqjobs.store.calls.batches import Closed, batch_members, batch_status, cancel_batch
from jqjobs.store.calls.bringing import Bringing
from jqjobs.store.calls.telling import Telling, by_queue
from jqjobs.store.calls.upkeep import Retried, retry
from jqjobs.store.steps import Steps, is_costly
from jqjobs.store.wire import raise_first

T = TypeVar("T")

#: Who has asked for something waits so long for what it leads to; daemons go on from there.
_GOES_ON_FOR_S = 1.0


class RetriedMembers(NamedTuple):
    """Dead members that were sent back to ready. ``key_taken``: so many stay dead, since a newer job has their key.

    ``batch``: what came of asking for it; unless it is DONE, nothing was sent back.
    """

    batch: Closed
    retried: int = 0
    key_taken: int = 0


def deliver_flow(queue: str, age_ms: int = 0, until_s: float = math.inf) -> Steps[tuple[int, dict[str, int]]]:
    """Take along what left a queue ``age_ms`` ago for others, and what leaves these by that; see `deliver_flows`."""
    return deliver_flows({queue: age_ms}, until_s)


def deliver_flows(waiting: Mapping[str, int], until_s: float = math.inf) -> Steps[tuple[int, dict[str, int]]]:
    """Take along what left queues for others, and what leaves these by that; how many jobs left one for good, and what
    there was no time for, to be taken along next.

    ``waiting``: queue → for how long it has waited there at least, ms. ``until_s``: goes on until then, monotonic, s.
    Where one queue takes none, the others get theirs, unless it took until then to know. Raises: StoreError, at the
    end.
    """
    left, brought, problems = dict(waiting), 0, list[StoreError]()
    while left:
        queue, age_ms = left.popitem()
        telling, bringing = Telling(queue, until_s), Bringing(queue, until_s)
        for each in (telling, bringing):
            try:
                yield from each.go_through(age_ms)
            except StoreError as error:
                problems.append(error)
                if is_costly(error, until_s):
                    raise
            left |= {queue: age_ms} if each.has_more else {}
            left |= dict.fromkeys(each.onward, 0)
        brought += bringing.brought
        if time.monotonic() >= until_s:
            break
    raise_first(problems)
    return brought, left


def take_along(queues: Iterable[str]) -> Steps[None]:
    """Take along what has just left queues for others, for a second, as far as that works; daemons do the rest."""
    with suppress(StoreError):
        yield from deliver_flows(dict.fromkeys(queues, 0), time.monotonic() + _GOES_ON_FOR_S)


def acting(queue: str, call: Call[T]) -> Steps[T]:
    """Do something in a queue, and take along what leaves it by that; what is not done in a second daemons do.

    ``call``: one that answers as lua/rules/flow/and_leaving.lua has it.
    """

    def parse(reply: Any) -> tuple[T, bool]:
        return call.parse(reply), reply[-1:] == [b"leaving"]

    told = Call(call.script, call.keys, call.args, parse, call.repeatable, call.wait)
    answer: T
    answer, leads_on = yield told
    if leads_on:
        yield from take_along([queue])
    return answer


def cancelling(queue: str, batch_id: str) -> Steps[Closed]:
    """Cancel a batch and its members; what is not done in a second daemons do."""
    answer: Closed = yield cancel_batch(queue, batch_id)
    if answer is Closed.DONE:
        yield from deliver_flow(queue, until_s=time.monotonic() + _GOES_ON_FOR_S)
    return answer


def retrying(queue: str, batch_id: str) -> Steps[RetriedMembers]:
    """Send all dead members of a batch that is not over back to ready, whatever they died of."""
    status: BatchStatus = yield batch_status(queue, batch_id)
    if status.state is BatchState.UNKNOWN or status.is_over:
        return RetriedMembers(Closed.TOO_LATE if status.is_over else Closed.UNKNOWN)
    cursor: str | None = "0"
    came_of, others = Counter[Retried](), set[str]()
    while cursor is not None:
        cursor, _, places = yield batch_members(queue, batch_id, "dead", cursor)
        for where, ids in by_queue(places):
            came_of.update((yield retry(where, ids)))
            others |= {where} - {queue}
    yield from take_along(others)
    return RetriedMembers(Closed.DONE, came_of[Retried.READY], came_of[Retried.KEY_TAKEN])
