"""Acts on all jobs that match: first how many, then the act, in steps of two seconds.

A first request is a dry run: it answers how many, and the moment that this was (``until_ms``). With that moment the act
touches nobody who came later; its answer has a cursor, until it is through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.jobs.selector import Selector
from jqjobs.operations.arguments import check_known, check_said
from jqjobs.operations.queues import require_queue
from jqjobs.store.bulk import Act, BulkAnswer, act_on_all
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.search import Cursor, read_cursor
from jqjobs.web.access import Right
from jqjobs.web.searching import run_seeing, without_text
from jqjobs.web.visit import Visit

#: So long a request takes; then it says where to go on.
_MOST_S = 2.0
#: Nobody waits for a count to be exact: one looks at so many jobs, or at the arguments of so many.
_MOST_COUNTED, _MOST_TEXTS = 10_000, 5_000
#: The right that each act takes. A job is moved by who may change it where it is and put it elsewhere: `jqctl` alone.
BULK_ACTS = {Act.RETRY: Right.RETRY, Act.CANCEL: Right.CANCEL, Act.DELETE: Right.DELETE}
#: Beyond that no number of ms or s is a moment, or an age.
_MOST_MS = 10**15
_ASKED = ("queue", "state", "selector", "act", "until_ms", "cursor", "dry_run")
_SELECTED: Mapping[str, type | tuple[type, ...]] = {
    "name": str, "error": str, "text": str, "key": str, "tag": str, "group": str, "since_ms": int,
    "older_than_s": (int, float),
}  # fmt: skip


class Bulk(NamedTuple):
    """What is asked for. ``until_ms`` None: by now."""

    queue: str
    act: Act
    selector: Selector
    until_ms: int | None = None
    cursor: Cursor | None = None
    dry_run: bool = False


def read_bulk(asked: Mapping[str, Any]) -> Bulk:
    """Return what a JSON object asks for. Raises: InvalidOption, InvalidName."""
    check_known(asked, _ASKED)
    check_said(asked, "queue", "the one whose jobs are meant")
    check_said(asked, "act", f"one of {', '.join(BULK_ACTS)}")
    act, state, chosen = asked.get("act"), asked.get("state"), asked.get("selector") or {}
    if act not in list(BULK_ACTS):
        raise InvalidOption(f"act {act!r} is not for many jobs", hint=f"there are {', '.join(BULK_ACTS)}")
    if not isinstance(chosen, dict):
        raise InvalidOption("selector is no object")
    check_known(chosen, [*_SELECTED])
    for word, value in chosen.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, _SELECTED[word])):
            raise InvalidOption(f"{word} {value!r} has the wrong type")
        if isinstance(value, (int, float)) and not 0 <= value <= _MOST_MS:
            raise InvalidOption(f"{word} {value!r} is out of range")
    until_ms, cursor = asked.get("until_ms"), asked.get("cursor")
    if until_ms is not None and (type(until_ms) is not int or not 0 <= until_ms <= _MOST_MS):
        raise InvalidOption(f"until_ms {until_ms!r} is no moment")
    return Bulk(
        check_name(asked["queue"], "queue"), Act(act), Selector(state or None, **chosen).check(), until_ms,
        read_cursor(str(cursor)) if cursor else None, asked.get("dry_run") is True,
    )  # fmt: skip


def act_in_bulk(visit: Visit, bulk: Bulk) -> tuple[BulkAnswer, int]:
    """Do it, or count; return how far that got, and the moment that bounds it.

    Raises: NotAllowed, NotFound, InvalidOption, StoreError and its kinds.
    """
    right = BULK_ACTS[bulk.act]
    visit.access.require(right)
    require_queue(visit.store, bulk.queue)
    until_ms = server_now_ms(visit.store) if bulk.until_ms is None else bulk.until_ms
    noted = None if bulk.dry_run else visit.act(right, bulk.queue, act=bulk.act.value, **_said(bulk.selector))
    has_text = bulk.selector.text is not None
    most = (_MOST_TEXTS if has_text else _MOST_COUNTED) if bulk.dry_run else None
    steps = act_on_all(
        bulk.queue, without_text(bulk.selector), bulk.act, until_ms=until_ms, cursor=bulk.cursor, dry_run=bulk.dry_run,
        reads_each=has_text, within_s=_MOST_S, most_read=most,
    )  # fmt: skip
    answer = run_seeing(visit, steps, bulk.selector.text)
    if noted is not None:
        noted.n = answer.done
    return answer, until_ms


def _said(selector: Selector) -> dict[str, Any]:
    return {name: value for name, value in selector._asdict().items() if value is not None}
