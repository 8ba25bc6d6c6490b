"""Tells batches what becomes of their members in other queues, and cancels the members of those that are cancelled.

No script needs two queues: what a batch in another queue is to hear waits in `notices`, for whoever takes it there.

    notices   from   what is to be told is read
    notify    home   it is told; late, twice or in another order is harmless
    noticed   from   it need not be told again
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from jqjobs.errors import StoreError
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.batches import batch_members
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.reply_values import text, truth
from jqjobs.store.scripts import script
from jqjobs.store.steps import Failures, Steps

#: What a notice begins with that has members of a batch cancelled: "~cancel batch sweep" (lua/notices.lua).
_CANCEL = "~cancel "
#: So many are read at once, at most (lua/notices.lua).
_AT_ONCE = 200


def notices(queue: str, age_ms: int = 0, but: Iterable[str] = ()) -> Call[list[str]]:
    """Read what is to be told to batches in other queues since ``age_ms``, all ``but`` these queues."""
    return Call(script("notices"), (keys.meta(queue),), ("", age_ms, *but), lambda reply: list(map(text, reply)))


def notify(home: str, told: Sequence[str]) -> Call[bool]:
    """Tell batches of ``home`` what has become of members; whether something leaves ``home`` by that.

    Done twice, it does no more than done once.
    """
    return Call(script("notify"), (keys.meta(home),), ("", *told), truth, repeatable=True)


def noticed(queue: str, told: Sequence[str], later: Sequence[str] = ()) -> Call[int]:
    """Note that this has been told; how much of it was still to be. ``later``: cannot be done now, and is put off."""
    return Call(script("noticed"), (keys.meta(queue),), ("", len(told), *told, *later), int, repeatable=True)


class Telling:
    """One round, from one queue. ``until_s``: monotonic, s; nobody is told after the first failure past it.

    ``onward``: queues from which more is to be taken along, by what they were told. ``has_more``: the time was over.
    """

    def __init__(self, queue: str, until_s: float = math.inf) -> None:
        self._queue = queue
        self._until_s = until_s
        self._failures = Failures(until_s)
        self.onward: set[str] = set()
        self.has_more = False

    def go_through(self, age_ms: int) -> Steps[None]:
        """Tell what has waited for ``age_ms``, the oldest first. Raises: StoreError, at the end."""
        failures, goes_on = self._failures, True
        while goes_on and not failures.has_ended:
            silent = len(failures.places)
            waiting: list[str] = yield notices(self._queue, age_ms, sorted(failures.places))
            told = 0
            for home, group in groupby(sorted(waiting, key=_home), _home):
                bundle = list(group)
                try:
                    told += yield from self._tell(home, bundle) if home else self._cancel(bundle)
                except StoreError as error:  # a node that is down, maybe: the others hear of theirs
                    if failures.note(home, error):
                        break
            goes_on = told > 0 and len(waiting) == _AT_ONCE
            if goes_on and self._is_over:
                self.has_more, goes_on = True, False
            goes_on = goes_on or len(failures.places) > silent
        failures.raise_first()

    @property
    def _is_over(self) -> bool:
        return time.monotonic() >= self._until_s

    def _tell(self, home: str, bundle: Sequence[str]) -> Steps[int]:
        leads_on: bool = yield notify(home, bundle)
        self.onward |= {home} if leads_on else set()
        told: int = yield noticed(self._queue, bundle)
        return told

    def _cancel(self, bundle: Sequence[str]) -> Steps[int]:
        """Cancel the open members of batches; of those that need no second look the notices are done with.

        Where that cannot be done now, the others come first next time.
        """
        done, later, failures = list[str](), list[str](), Failures(self._until_s)
        for batch_id, group in groupby(sorted(bundle), lambda notice: notice.split(" ")[1]):
            if self._is_over and (done or later or self.has_more):  # each takes a page at least
                self.has_more = True
                break
            try:
                is_done = yield from self._cancel_open(batch_id, failures)
            except StoreError as error:  # the batch is damaged, maybe
                failures.note(f"{_CANCEL}{batch_id}", error)
                is_done = False
            if is_done:
                done += group
            elif not self.has_more:
                later += group
        told: int = (yield noticed(self._queue, done, later)) if done or later else 0
        failures.raise_first()
        return told

    def _cancel_open(self, batch_id: str, failures: Failures) -> Steps[bool]:
        """Cancel the open members of a batch; whether that was all, and none is on its way.

        Once the time is over it ends with the first page of which it has cancelled any: those are open no longer, so
        that the next round comes to others.
        """
        cursor: str | None = "0"
        is_done, has_cancelled = True, False
        while cursor is not None and not failures.has_ended:
            if has_cancelled and self._is_over:
                self.has_more = True
                break
            cursor, _, places = yield batch_members(self._queue, batch_id, "open", cursor)
            for where, ids in by_queue(places):
                if failures.has_ended or where in failures.places:
                    is_done = False
                    continue
                try:
                    answers = yield cancel(where, ids)
                    is_done = is_done and CancelAnswer.MOVING not in answers
                    has_cancelled = has_cancelled or CancelAnswer.CANCELLED in answers
                    if where != self._queue:
                        yield from _tell_home(where, self._queue)
                except StoreError as error:  # the others are cancelled
                    failures.note(where, error)
                    is_done = False
        return is_done and cursor is None


def by_queue(places: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each queue of these "queue/id", with the ids that are there."""
    for where, group in groupby(sorted(places), lambda place: place.partition("/")[0]):
        yield where, [place.partition("/")[2] for place in group]


def _home(notice: str) -> str:
    """Return the queue that a notice goes to, "" for the one that it lies in."""
    return "" if notice.startswith(_CANCEL) else notice.lstrip("+").partition("/")[0]


def _tell_home(queue: str, home: str) -> Steps[None]:
    """Tell this home what it is to hear from another queue; of others' a daemon, or who settles there, takes care."""
    if told := [notice for notice in (yield notices(queue)) if _home(notice) == home]:
        yield notify(home, told)
        yield noticed(queue, told)
