"""Which jobs of a queue somebody means: what they say of them, and the moments that bound it.

Read by lua/search.lua. A job is as old as its time in its state, where that is known: dead, parked and kept jobs. Of
all others it counts since it was enqueued: their place in the queue is an order, or a moment to come.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import NamedTuple

from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import State, check_name

#: In this order the jobs of a queue are gone through: most of those that move meanwhile move ahead of who looks.
ALL_STATES = (
    State.PARKED, State.HELD, State.SCHEDULED, State.SUSPECTS, State.WAITING, State.READY, State.ACTIVE, State.MOVING,
    State.KEPT, State.DEAD,
)  # fmt: skip
#: From here on a number is a moment, ms since the epoch, and no span.
_LEAST_MOMENT_MS = 10**11
#: So many digits a moment may have.
_MOST_DIGITS = 15


class Selector(NamedTuple):
    """What is said of jobs; None says nothing.

    ``name``, ``key``, ``group``: these. ``tag``: one of its tags. ``error``: a part of class or message, or the whole
    reason why the job is dead, such as ``hung``. ``text``: a part of the arguments, in JSON as they are stored.
    ``since_ms``: it came into its state, or into the queue, at that moment or later; ``older_than_s``: so long ago, or
    longer.
    """

    state: str | None = None
    name: str | None = None
    error: str | None = None
    text: str | None = None
    key: str | None = None
    since_ms: int | None = None
    older_than_s: float | None = None
    tag: str | None = None
    group: str | None = None

    def check(self) -> Selector:
        """Return it. Raises: InvalidName, InvalidOption."""
        if self.state is not None and self.state not in list(State):
            raise InvalidOption(f"state {self.state!r} is none of {', '.join(State)}")
        if self.name is not None:
            check_name(self.name, "job name")
        for what in ("error", "text", "key", "tag", "group"):
            if getattr(self, what) == "":
                raise InvalidOption(f"{what} is empty: leave it out")
        return self

    def at(self, moment_ms: int) -> tuple[Selector, int]:
        """Return what it selects at a moment, whenever that is asked for: without an age, and until when."""
        return self._replace(older_than_s=None), moment_ms - round((self.older_than_s or 0) * 1000)

    def wire(self, state: str, until_ms: int | None) -> str:
        """Return what lua/search.lua reads: the jobs of one state, come by ``until_ms`` at the latest."""
        older_ms = None if self.older_than_s is None else round(self.older_than_s * 1000)
        said = {
            "state": state, "name": self.name, "error": self.error, "text": self.text, "key": self.key,
            "tag": self.tag, "group": self.group, "since_ms": self.since_ms, "older_ms": older_ms, "until_ms": until_ms,
        }  # fmt: skip
        return json.dumps({what: value for what, value in said.items() if value is not None}, ensure_ascii=False)


def selector(
    *, state: str | None = None, name: str | None = None, error: str | None = None, text: str | None = None,
    key: str | None = None, tag: str | None = None, group: str | None = None,
    since: datetime | Duration | None = None, older_than: Duration | None = None, now_ms: int | None = None,
) -> Selector:  # fmt: skip
    """Return the selector that says this. ``since``, see `since_ms`. Raises: InvalidName, InvalidOption."""
    return Selector(
        state, name, error, text, key, None if since is None else since_ms(since, now_ms),
        None if older_than is None else duration_ms(older_than, "older_than") / 1000, tag, group,
    ).check()  # fmt: skip


def since_ms(value: datetime | Duration, now_ms: int | None = None) -> int:
    """Return a moment of the past in ms since the epoch.

    ``value``: a datetime (naive means local time) or such a time as ISO 8601; ms since the epoch; or a span, such as
    ``"2h"``, which ends at ``now_ms``, by default that of this host. Raises: InvalidOption.
    """
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            value = int(value)
        else:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                pass  # a span, or nonsense
    if isinstance(value, datetime):
        try:
            return round(value.timestamp() * 1000)
        except (ValueError, OverflowError, OSError):  # at the rim of what there are dates for
            raise InvalidOption(
                f"since {value} is no moment of any clock", hint="write it like 2h or 2026-01-31"
            ) from None
    if isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST_MOMENT_MS:
        return value
    return (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - duration_ms(value, "since")
