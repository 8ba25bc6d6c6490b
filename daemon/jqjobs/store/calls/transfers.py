"""Jobs on their way from one queue to another: read where they left, brought where they go, and what was said of it.

    departures   from   which there are, in short
    transfers    from   what goes along is read
    deliver      to     they are there, or refused: their id or their key is taken; of a queue with partitions, each
                        in the one that it is for
    delivered    from   they are gone, but for a forward; or back where they were
    acknowledge  to     what was answered need not be remembered any longer

Who brings them there: `calls.bringing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: Items of one job in the answers of lua/transfers.lua, lua/departures.lua.
_ITEMS, _WORDS = 8, 4


class Delivered(IntEnum):
    """What the other queue said of a job (lua/deliver.lua)."""

    DELIVERED = 1
    ID_TAKEN = 0
    KEY_TAKEN = -1
    LATE = 2
    ELSEWHERE = 3  #: it has partitions, and the job is for one of them


class Departure(NamedTuple):
    """A job on its way, in short. ``target``: the queue; ``key``, ``group``: "" where it has none."""

    id: str
    target: str
    key: str
    group: str


class Transfer(NamedTuple):
    """A job on its way, with all that goes along. ``fields``: flat; ``score``: in the set that it was in."""

    id: str
    token: str
    target: str
    state: str
    score: bytes
    fields: Sequence[bytes]
    history: Sequence[bytes]
    has_key: bool


class Transfers(NamedTuple):
    """What was read at ``now_ms``; it may be delivered for a while."""

    now_ms: int
    jobs: Sequence[Transfer]


def departures(queue: str, age_ms: int, first: int) -> Call[list[Departure]]:
    """Return which jobs left ``age_ms`` ago, the oldest but the ``first`` ones, at most 1,000."""

    def parse(reply: Any) -> list[Departure]:
        return [Departure(*map(text, reply[start : start + _WORDS])) for start in range(0, len(reply), _WORDS)]

    return Call(script("departures"), (keys.meta(queue),), ("", age_ms, first), parse, repeatable=True)


def transfers(queue: str, ids: Sequence[str] = (), age_ms: int = 0) -> Call[Transfers]:
    """Read jobs on their way: these, or the oldest of those that left ``age_ms`` ago."""

    def parse(reply: Any) -> Transfers:
        now_ms, *flat = reply
        starts = range(0, len(flat), _ITEMS)
        return Transfers(int(now_ms), [_transfer(flat[start : start + _ITEMS]) for start in starts])

    return Call(script("transfers"), (keys.meta(queue),), ("", age_ms, *ids), parse, repeatable=True)


def _transfer(items: Sequence[Any]) -> Transfer:
    job_id, token, target, state, score, fields, history, has_key = items
    return Transfer(text(job_id), text(token), text(target), text(state), score, fields, history, has_key == 1)


def deliver(target: str, queue: str, read_ms: int, jobs: Sequence[Transfer]) -> Call[list[Delivered]]:
    """Bring jobs of ``queue`` that were read at ``read_ms``. Done twice, it does no more than done once."""
    args: list[Argument] = ["", read_ms, queue]
    for job in jobs:
        args += (job.id, job.token, job.state, job.score, int(job.has_key))
        args += (len(job.fields), *job.fields, len(job.history), *job.history)
    return Call(script("deliver"), (keys.meta(target),), args, lambda reply: [Delivered(item) for item in reply])


def delivered(queue: str, answers: Sequence[tuple[Transfer, Delivered]]) -> Call[int]:
    """Note what the other queue has said; how many of these were on their way still."""
    args = [word for job, answer in answers for word in (job.id, job.token, int(answer is Delivered.DELIVERED))]
    return Call(script("delivered"), (keys.meta(queue),), ("", *args), int)


def acknowledge(target: str, queue: str, tokens: Sequence[str]) -> Call[int]:
    """Tell a queue that nobody brings these jobs again; how many it remembers."""
    return Call(script("acknowledge"), (keys.meta(target),), ("", queue, *tokens), int)
