"""Jobs come from the outbox of a database: brought, and then forgotten of (lua/relay.lua, lua/relayed.lua).

    read rows ──▶ relay ──▶ DELETE them ──▶ relayed

Any number of processes may do this with the same rows at the same time: a marker per id makes each job once. It is
there from `relay` on for as long as rows may lie, and after the DELETE for as long as what was read before may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import script

#: How long a marker stays that nobody could shorten. Rows that are older than this wait for a person.
MARKER_MS = 7 * 86_400_000
#: How long a marker stays when its row is gone. More than `FRESH_MS` and what a packet may be under way together.
SHORT_MARKER_MS = 300_000
#: Rows that were read so long ago are read again before they are brought.
FRESH_MS = 30_000


class Relayed(IntEnum):
    """What became of a row (lua/relay.lua)."""

    CREATED = 1
    REPLACED = 2
    PRESENT = 0  #: its id, or its coalescing key
    AGAIN = -1  #: it came before
    REFUSED = -2  #: it is in `rejected`, with the reason
    NO_ROOM = -3  #: no more jobs may wait in that queue


def relay(queue: str, rows: Sequence[tuple[str, str]]) -> Call[list[Relayed]]:
    """Bring rows, id and envelope, into their queue; what became of each."""
    words = [word for row in rows for word in row]
    return Call(
        script("relay"), (keys.meta(queue),), ("", MARKER_MS, *words),
        lambda reply: [Relayed(item) for item in reply[: len(rows)]], repeatable=True,
    )  # fmt: skip


def bar(queue: str, job_id: str) -> Call[bool]:
    """Have nothing brought under that id any more; False: it was brought before."""
    return Call(
        script("relay"), (keys.meta(queue),), ("", MARKER_MS, job_id, ""), lambda reply: reply[0] == Relayed.CREATED
    )


def relayed(queue: str, ids: Sequence[str]) -> Call[int]:
    """Say that rows are gone from their outbox; how many markers there were."""
    return Call(script("relayed"), (keys.meta(queue),), ("", SHORT_MARKER_MS, *ids), int, repeatable=True)
