"""Reads what the dead jobs of a queue died of, counted by groups. Writes nothing.

A group has the errors that are the same but for their values (jobs/fingerprints.py), or, of jobs whose end no worker
reported, those of one reason and name. Others may have written there: what cannot be read is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.records import is_name
from jqjobs.store import keys
from jqjobs.store.reply_values import fields, string, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: Counts all that are in no other group, once a queue has 500 (lua/rules/outcome/error_groups.lua).
OTHER = "other"
#: Of a queue, for a group that lacks a sample.
_MOST_LOOKED_AT = 500
_ENTRY = re.compile(r"(\d{1,15}) (\d{1,15}) (\d{1,15}) (\S+) (\S+) (.*)", re.DOTALL | re.ASCII)


class ErrorGroup(NamedTuple):
    """``dead`` jobs of one queue that died of the same. ``first_ms``, ``last_ms``: when the first and the last one did.

    ``name``, ``error``: of the job and its error; None where they differ. ``sample_id``: the one that died last; when
    that is dead no more another one, None when there is none among the newest of the queue.
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
    """Return the groups of these queues, the largest first, of those as large the latest."""
    looks = [("HGETALL", store.address.key(keys.queue(queue, "errors"))) for queue in queues]
    replies = raise_first(store.wire.pipeline(looks))
    found = [group for queue, reply in zip(queues, replies, strict=True) for group in _groups(queue, fields(reply))]
    found = _with_samples(store, found)
    return sorted(found, key=lambda group: (-group.dead, -group.last_ms, group.queue, group.fingerprint))


def _groups(queue: str, stored: dict[str, Any]) -> Iterator[ErrorGroup]:
    for fingerprint, entry in stored.items():
        if found := _ENTRY.fullmatch(text(entry)):
            dead, first_ms, last_ms, sample_id, name, error = found.groups()
            yield ErrorGroup(
                fingerprint, queue, name if is_name(name) else None, error or None, int(dead), int(first_ms),
                int(last_ms), sample_id if is_name(sample_id) else None,
            )  # fmt: skip


def _with_samples(store: Store, groups: list[ErrorGroup]) -> list[ErrorGroup]:
    """Find one for each group whose last one is dead no more."""
    lacking = sorted({group.queue for group in groups if group.sample_id is None})
    if not lacking:
        return groups
    key, ask = store.address.key, store.wire.pipeline
    newest = ask([("ZRANGE", key(keys.queue(queue, "dead")), 0, _MOST_LOOKED_AT - 1, "REV") for queue in lacking])
    dead = [(queue, text(job_id)) for queue, ids in zip(lacking, raise_first(newest), strict=True) for job_id in ids]
    named = ask([("HGET", key(keys.job(queue, job_id)), "group") for queue, job_id in dead])
    samples = {(queue, string(group)): job_id for (queue, job_id), group in zip(dead[::-1], named[::-1], strict=True)}
    return [
        group._replace(sample_id=group.sample_id or samples.get((group.queue, group.fingerprint))) for group in groups
    ]
