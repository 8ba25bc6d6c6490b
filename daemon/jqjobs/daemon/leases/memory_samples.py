"""Notes once a minute how much memory Redis takes: of all daemons the first one does, the others find it done."""

from __future__ import annotations

from jqjobs.store.calls.memory import sample_memory
from jqjobs.store.reads.memory import used_memory
from jqjobs.store.store import Store

SAMPLE_EVERY_S = 60.0


def note_memory(store: Store) -> None:
    """Take one sample; a server that does not tell is not asked for more. Raises: StoreError."""
    used_bytes = used_memory(store)
    if used_bytes is not None:
        store.run(sample_memory(used_bytes))
