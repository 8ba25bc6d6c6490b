"""Queues that are served by their turn: who looks at all of them, and what calls workers there."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script


def call_workers(pattern: str, queues: Sequence[str]) -> Call[int]:
    """Say in the wake set of a pattern that there is something to do in these queues; how many were not in it."""
    return Call(script("call_workers"), (keys.wakes(pattern),), ("", *queues), int, repeatable=True)


def take_called(pattern: str, most: int) -> Call[list[str]]:
    """Take queues out of the wake set of a pattern; it has them again while there is something to do."""
    return Call(
        script("take_called"), (keys.wakes(pattern),), ("", most),
        lambda reply: [name.decode("utf-8", "replace") for name in reply],
    )  # fmt: skip


def claim_round(name: str, daemon: str, apart_ms: int) -> Call[bool]:
    """Ask whether a round over all queues is ours: it is until we have not asked for ``apart_ms``."""
    return Call(script("claim_round"), (keys.ROUNDS,), ("", name, daemon, apart_ms), truth, repeatable=True)
