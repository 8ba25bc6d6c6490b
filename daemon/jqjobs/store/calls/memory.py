"""Samples of how much memory Redis takes, one a minute (lua/sample_memory.lua)."""

from __future__ import annotations

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script


def sample_memory(used_bytes: int) -> Call[bool]:
    """Note how much memory Redis takes; whether that was the first sample of its minute."""
    return Call(script("sample_memory"), (keys.MEMORY,), ("", used_bytes), truth, repeatable=True)
