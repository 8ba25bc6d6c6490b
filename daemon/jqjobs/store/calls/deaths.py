"""Dead jobs whose hooks nobody has called yet (lua/deaths.lua): read by workers of apps that have such hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import count, text
from jqjobs.store.scripts import script

#: Items of one job in the answer.
_FIELDS = 8


class Death(NamedTuple):
    """A job that died behind the back of a worker. ``reason``: crashed, hung, expired, …

    ``uncleaned``: the attempt that nobody has cleaned up after, 0: there is none.
    """

    queue: str
    id: str
    name: str
    payload: bytes
    attempt: int
    failures: int
    reason: str
    error: str | None
    uncleaned: int


def deaths(queue: str, names: Sequence[str], most: int) -> Call[list[Death]]:
    """Take dead jobs of these names that wait for their hooks, each one once."""

    def parse(flat: Any) -> list[Death]:
        return [_death(queue, *flat[i : i + _FIELDS]) for i in range(0, len(flat), _FIELDS)]

    return Call(script("deaths"), (keys.meta(queue),), ("", most, *names), parse)


def _death(
    queue: str, job_id: Any, name: Any, payload: Any, attempt: Any, failures: Any, reason: Any, error: Any,
    uncleaned: Any,
) -> Death:  # fmt: skip
    return Death(
        queue, text(job_id), text(name), payload or b"", count(attempt), count(failures), text(reason or b""),
        None if error is None else text(error), count(uncleaned),
    )  # fmt: skip
