"""What a running job says of itself (lua/note.lua)."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument


def note(
    queue: str, worker: str, job_id: str, attempt: int, progress: bytes = b"", lines: Sequence[bytes] = ()
) -> Call[bool]:
    """Let a running job say something of itself; False when this attempt does not have it in hand. See lua/note.lua."""
    args: list[Argument] = ["", worker, job_id, attempt, progress, *lines]
    return Call(script("note"), (keys.meta(queue),), args, truth)
