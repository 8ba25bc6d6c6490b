"""Something is done to all jobs that match, however many: first it is counted, then confirmed, then done in steps.

What is confirmed is what was counted: only jobs that were in their state by the moment that is shown. A request works
for two seconds at most; what is left then is one press of a button away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jqjobs.base.words import moment, plural
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.operations.queues import require_queue
from jqjobs.store.bulk import Act, BulkAnswer, act_on_all
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.search import read_cursor
from jqjobs.web.http import Response
from jqjobs.web.pages.jobs import RIGHTS, act_of, chosen, said_of
from jqjobs.web.pages.links import first
from jqjobs.web.visit import Visit

_WITHIN_S = 2.0
_VERBS = {"retry": "sent back to ready", "cancel": "cancelled", "delete": "deleted"}


class Progress(NamedTuple):
    """What earlier requests of one act have come to."""

    matched: int = 0
    done: int = 0

    def plus(self, answer: BulkAnswer) -> Progress:
        """Return it with what this request has come to."""
        return Progress(self.matched + answer.matched, self.done + answer.done)


def count_all(visit: Visit) -> Response:
    """Count what matches, and ask whether it is to be done: a dry run."""
    query = visit.request.query
    act, queue, state, said = _meant(visit, query)
    until_ms = server_now_ms(visit.store)
    wanted = chosen(state, said, until_ms)
    answer = visit.run(act_on_all(queue, wanted, act, until_ms=until_ms, dry_run=True, within_s=_WITHIN_S))
    if wanted.since_ms is not None:
        said["since"] = str(wanted.since_ms)  # what is confirmed later is as long ago as it is now
    return visit.page(
        "bulk.html", act=act.value, queue=queue, state=state, words=said, answer=answer, until_ms=until_ms, cursor="",
        so_far=Progress(), may=visit.access.may(RIGHTS[act]), moment=moment(until_ms),
        back=_list(visit, queue, state, said),
    )  # fmt: skip


def act_on_all_that_match(visit: Visit) -> Response:
    """Do it, for two seconds; then it is done, or there is a button to go on."""
    form = visit.request.form()
    act, queue, state, said = _meant(visit, form)
    until_ms = _moment(first(form, "until_ms"))
    so_far = Progress(_count(first(form, "matched")), _count(first(form, "done")))
    noted = visit.act(RIGHTS[act], queue, act=act.value, state=state, until_ms=until_ms, **said)
    cursor = read_cursor(first(form, "cursor")) if first(form, "cursor") else None
    wanted = chosen(state, said, until_ms)
    if cursor is not None:
        wanted, _ = wanted.at(until_ms)
    answer = visit.run(act_on_all(queue, wanted, act, until_ms=until_ms, cursor=cursor, within_s=_WITHIN_S))
    noted.facts["n"] = answer.done
    so_far = so_far.plus(answer)
    if answer.cursor:
        return visit.page(
            "bulk.html", act=act.value, queue=queue, state=state, words=said, answer=answer, until_ms=until_ms,
            cursor=answer.cursor, so_far=so_far, may=True, moment=moment(until_ms),
            back=_list(visit, queue, state, said),
        )  # fmt: skip
    missed = f"; {so_far.matched - so_far.done} had gone on meanwhile" if so_far.done < so_far.matched else ""
    return visit.done("/jobs", f"{plural(so_far.done, 'job')} {_VERBS[act]}{missed}", queue=queue, state=state)


def _meant(visit: Visit, given: Mapping[str, Sequence[str]]) -> tuple[Act, str, str, dict[str, str]]:
    values = {name: found[-1] for name, found in given.items()}
    act, queue = act_of(values.get("act", "")), check_name(values.get("queue", ""), "queue")
    require_queue(visit.store, queue)
    return act, queue, values.get("state", ""), said_of(given)


def _list(visit: Visit, queue: str, state: str, said: Mapping[str, str]) -> str:
    return visit.url("/jobs", queue=queue, state=state, **said)


def _moment(said: str) -> int:
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise InvalidOption("it is not said up to which moment", hint="go back and count anew")
    return int(said)


def _count(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else 0
