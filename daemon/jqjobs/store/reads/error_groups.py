"""Reads what the dead jobs of a queue died of, counted by groups. Writes nothing.

A group has the errors that are the same but for their values (jobs/fingerprints.py), or, of jobs whose end no worker
reported, those of one reason and name. Others may have written there: what cannot be read is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.reads.queues import is_name
from jqjobs.store.reply_values import fields, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: Counts all that are in no other group, once a queue has 500 (lua/rules/outcome/error_groups.lua).
OTHER = "other"
_ENTRY = re.compile(r"(\d{1,15}) (\d{1,15}) (\d{1,15}) (\S+) (\S+) (.*)", re.DOTALL | re.ASCII)


class ErrorGroup(NamedTuple):
    """``dead`` jobs of one queue that died of the same. ``first_ms``, ``last_ms``: when the first and the last one did.

    ``name``, ``error``: of the job and its error; None where they differ. ``sample_id``: the one that died last; None
    when it is not dead any more, or gone.
    """

    fingerprint: str
    queue: str
    name: str | None
    error: str | None
    dead: int
    first_ms: int
    last_ms: int
    sample_id: str | None

    def in_words(self) -> str:
        """Return what they died of, for people."""
        if self.fingerprint == OTHER:
            return "(further errors, each of its own)"
        reason, _, is_unreported = self.fingerprint.rpartition(":")
        return ": ".join(filter(None, (reason if is_unreported else "", self.error)))


def error_groups(store: Store, queues: Sequence[str]) -> list[ErrorGroup]:
    """Return the groups of these queues, the largest first, of those as large the latest; in one round trip."""
    looks = [("HGETALL", store.address.key(keys.queue(queue, "errors"))) for queue in queues]
    replies = raise_first(store.wire.pipeline(looks))
    found = [group for queue, reply in zip(queues, replies, strict=True) for group in _groups(queue, fields(reply))]
    return sorted(found, key=lambda group: (-group.dead, -group.last_ms, group.queue, group.fingerprint))


def _groups(queue: str, stored: dict[str, Any]) -> Iterator[ErrorGroup]:
    for fingerprint, entry in stored.items():
        if found := _ENTRY.fullmatch(text(entry)):
            dead, first_ms, last_ms, sample_id, name, error = found.groups()
            yield ErrorGroup(
                fingerprint, queue, name if is_name(name) else None, error or None, int(dead), int(first_ms),
                int(last_ms), sample_id if is_name(sample_id) else None,
            )  # fmt: skip
