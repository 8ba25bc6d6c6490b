"""Queues that are served by their turn: who looks at all of them, and what calls workers there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument


@dataclass(frozen=True, slots=True)
class Charge:
    """What a queue has had. ``jobs``: so many more than were charged before; less than 0: fewer.

    ``calls``: whether there is something to do for others; None: that is not known.
    """

    queue: str
    jobs: float
    calls: bool | None


@dataclass(frozen=True, slots=True)
class Called:
    """Queues where a worker has a turn now. ``waiting``: how many others call."""

    queues: Sequence[str]
    waiting: int


def call_workers(pattern: str, queues: Sequence[str]) -> Call[int]:
    """Say in the wake set of a pattern that there is something to do in these queues; how many were not in it."""
    return Call(
        script("call_workers"), (keys.wakes(pattern), keys.served(pattern)), ("", *queues), int, repeatable=True
    )


def take_called(pattern: str, most: int, turn: int, charges: Sequence[Charge] = ()) -> Call[Called]:
    """Charge queues of a pattern with what they have had, and take turns in those that call and have had least.

    ``turn``: jobs that each of these is charged with. Not repeatable: somebody would be charged twice.
    """
    args: list[Argument] = ["", most, turn]
    for charge in charges:
        args += (charge.queue, charge.jobs, "" if charge.calls is None else int(charge.calls))
    return Call(
        script("take_called"), (keys.wakes(pattern), keys.served(pattern)), args,
        lambda reply: Called([name.decode("utf-8", "replace") for name in reply[1:]], reply[0]),
    )  # fmt: skip


def claim_round(name: str, daemon: str, apart_ms: int) -> Call[bool]:
    """Ask whether a round is ours: it is until we have not asked for ``apart_ms``; 0: it shall be somebody else's."""
    return Call(script("claim_round"), (keys.ROUNDS,), ("", name, daemon, apart_ms), truth, repeatable=True)
