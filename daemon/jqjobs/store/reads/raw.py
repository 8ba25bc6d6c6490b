"""Reads raw bytes that are no jobs: envelopes not yet ingested, and what was refused. Writes nothing.

Called by jqctl. One entry can be large, so a page ends early when it has read enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jqjobs.store import keys
from jqjobs.store.reply_values import integer, text
from jqjobs.store.store import Store

#: A page ends when it has read so many bytes, whatever its length.
_PAGE_BYTES = 4 * 1024 * 1024
#: Entries read at once.
_CHUNK = 10


class RawEntry(NamedTuple):
    """Bytes in the inbox, or refused ones (then with ``reason`` and ``at_ms``)."""

    text: str
    size_bytes: int
    reason: str | None = None
    at_ms: int | None = None


class RawPage(NamedTuple):
    """Some raw entries. ``next_offset`` is None on the last page."""

    total: int
    entries: tuple[RawEntry, ...]
    next_offset: int | None


def inbox_page(store: Store, queue: str, offset: int, limit: int) -> RawPage:
    """Read raw envelopes that wait for ingestion, the next one first."""
    key = store.address.key(keys.inbox(queue))

    def window(start: int, size: int) -> list[bytes]:
        found: list[bytes] = store.wire.call("LRANGE", key, -start - size, -start - 1)
        return found[::-1]

    total, raw, end = _raw_page(store, key, window, offset, limit)
    return RawPage(total, tuple(RawEntry(text(item), len(item)) for item in raw), end)


def rejected_page(store: Store, queue: str, offset: int, limit: int) -> RawPage:
    """Read what was refused, the latest first."""
    key = store.address.key(keys.rejected(queue))

    def window(start: int, size: int) -> list[bytes]:
        found: list[bytes] = store.wire.call("LRANGE", key, start, start + size - 1)
        return found

    total, raw, end = _raw_page(store, key, window, offset, limit)
    return RawPage(total, tuple(map(_refused, raw)), end)


#: The lists of envelopes that are no jobs, by the word that stands for a state.
RAW_PAGES = {"inbox": inbox_page, "rejected": rejected_page}


def _raw_page(
    store: Store, key: str, window: Callable[[int, int], list[bytes]], offset: int, limit: int
) -> tuple[int, list[bytes], int | None]:
    total = int(store.wire.call("LLEN", key))
    raw: list[bytes] = []
    while len(raw) < limit and sum(map(len, raw)) < _PAGE_BYTES:
        found = window(offset + len(raw), min(_CHUNK, limit - len(raw)))
        raw += found
        if not found:
            break
    end = offset + len(raw)
    return total, raw, end if raw and end < total else None


def _refused(raw: bytes) -> RawEntry:
    head, _, body = raw.partition(b"\n")
    at, _, reason = head.partition(b" ")
    return RawEntry(text(body), len(body), text(reason), integer(at))
