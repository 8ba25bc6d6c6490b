"""Which release of the code begins to run (lua/note_release.lua); `reads.deploys` reads it."""

from __future__ import annotations

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script


def note_release(release: str) -> Call[bool]:
    """Note that workers run this release; whether that is news."""
    return Call(script("note_release"), (keys.DEPLOYS,), ("", release), truth, repeatable=True)
