"""Who takes the next turn in a queue of the model: numbers by start-time fair queueing, within a priority."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from property.queue_model import Queue

BAND = 2**40
#: Of what waits when the first group comes, so many may have come back to old places.
AHEAD = 10


def turn(q: Queue, priority: int, group: str, sequence: int) -> int:
    """Return the rank of a new job; ``sequence``: its number where nobody takes turns."""
    band, member = str(priority), f"{priority} {group}"
    if band not in q.turns and not group:
        return sequence - priority * BAND
    if band not in q.turns:
        _begin(q, priority, sequence)
    q.turns[member] = max(q.turns[band], q.turns.get(member, q.turns[band])) + 1
    return q.turns[member]


def _begin(q: Queue, priority: int, sequence: int) -> None:
    """Let what waits be a group."""
    waiting = sorted(rank for rank in q.ready.values() if rank // BAND == -priority)
    first = waiting[:AHEAD]
    q.turns[str(priority)] = max(-priority * BAND, first[-1] - len(first)) if first else sequence - 1 - priority * BAND
    if waiting:
        q.turns[f"{priority} "] = waiting[-1]


def note_taken(q: Queue, rank: int) -> None:
    """Let those who come behind what was taken; what came back is no step back."""
    priority = -(rank // BAND)
    if q.turns.get(str(priority), rank) < rank:
        q.turns[str(priority)] = rank
        behind = [member for member, last in q.turns.items() if member.split(" ")[0] == str(priority) and last < rank]
        for member in behind:
            del q.turns[member]
