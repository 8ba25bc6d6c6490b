"""What is stored of a schedule, whoever makes it: code, an application at run time, a person."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import TYPE_CHECKING, Any

from jqjobs.errors import InvalidName, InvalidOption, PayloadTooLarge
from jqjobs.jobs.records import check_name

if TYPE_CHECKING:
    from jqjobs.jobs.timetable import Policy, Timetable

#: Arguments travel with every look at an agenda.
MOST_PAYLOAD_BYTES = 16_384
#: Of one added at run time; ids of its jobs hold the name, a tick, and what tells similar names apart.
_ADDED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,95}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A schedule's job, and when it comes. ``fields``: of the hash of a job, flat. ``overlap`` False: one at a time."""

    job: str
    payload: bytes
    times: Timetable
    policy: Policy
    fields: Sequence[str | int] = ()
    priority: int = 0
    overlap: bool = True

    def as_json(self, **more: Any) -> str:
        """Return it as it is stored, see `store.calls.schedules`; the same for the same. Raises: PayloadTooLarge."""
        if len(self.payload) > MOST_PAYLOAD_BYTES:
            raise PayloadTooLarge(
                f"a schedule of {self.job!r}: the arguments take more than {MOST_PAYLOAD_BYTES} bytes"
            )
        times = self.times
        entry = {
            "job": self.job, "payload": self.payload.decode(), "fields": list(map(str, self.fields)),
            "priority": self.priority, "overlap": self.overlap, "missed": str(self.policy.missed),
            "catch_up_ms": self.policy.catch_up_ms, **more,
            **({"every_ms": times.every_ms} if times.every_ms else {"cron": times.cron, "tz": times.tz}),
        }  # fmt: skip
        return json.dumps(entry, ensure_ascii=False, sort_keys=True)

    def added_as(self, name: str, until_ms: int | None) -> str:
        """Return it as it is stored when it is added at run time. Raises: InvalidName, PayloadTooLarge."""
        end = {} if until_ms is None else {"until_ms": until_ms}
        return self.as_json(id=_ids_begin(check_added_name(name)), **end)


def check_added_name(name: str) -> str:
    """Return ``name`` if a schedule may be added under it. Raises: InvalidName."""
    if not isinstance(name, str) or not _ADDED_NAME.fullmatch(name):
        raise InvalidName(f"schedule {name!r} is not a valid name", hint="letters, digits, '_.:-'; at most 96")
    return name


def parse_schedule_ref(text: str) -> tuple[str | None, str]:
    """Return (queue or None, name) of ``queue/name`` or a name alone. Raises: InvalidName."""
    queue, slash, name = text.rpartition("/")
    if slash:
        check_name(queue, "queue")
    return queue or None, check_added_name(name) if ":" in name else check_name(name, "schedule")


def _ids_begin(name: str) -> str:
    """Return with what the ids of its jobs begin: an id has no colon, and no two schedules make the same."""
    return f"{name.replace(':', '.')}.{blake2s(name.encode(), digest_size=4).hexdigest()}"


def check_overlap(overlap: bool) -> None:
    """Raise InvalidOption unless that says whether runs may overlap."""
    if not isinstance(overlap, bool):
        raise InvalidOption(f"overlap {overlap!r} is neither True nor False")
