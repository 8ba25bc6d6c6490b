"""Reads whole records of jobs, for who copies them to another place. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jqjobs.store import keys
from jqjobs.store.reads.search import JobRow
from jqjobs.store.reply_values import fields
from jqjobs.store.store import Store

#: Records that are read at once: each may have a megabyte of arguments.
_CHUNK = 20


def records_of(store: Store, rows: Sequence[JobRow]) -> Iterator[tuple[JobRow, dict[str, Any]]]:
    """Yield jobs with the fields of their records; what is gone by now is left out. Raises: StoreError."""
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        replies = store.wire.pipeline([("HGETALL", store.address.key(keys.job(row.place, row.id))) for row in chunk])
        for row, reply in zip(chunk, replies, strict=True):
            if record := fields(reply):
                yield row, record
