"""Something is done to all jobs that match, however many: first it is counted, then confirmed, then done in steps.

What is confirmed is what was counted: only jobs that were in their state by the moment that is shown. A request works
for two seconds at most; what is left then is one press of a button away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jqjobs.base.words import moment, plural
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.store.bulk import BulkAnswer
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.search import read_cursor
from jqjobs.web.bulk import Bulk, act_in_bulk
from jqjobs.web.http import Response
from jqjobs.web.pages.jobs import DONE, act_of, chosen, said_of
from jqjobs.web.pages.links import first, number_of
from jqjobs.web.visit import Visit


def count_all(visit: Visit) -> Response:
    """Count what matches, and ask whether it is to be done: a dry run."""
    said = said_of(visit.request.query)
    bulk = _meant(visit.request.query, said, server_now_ms(visit.store))._replace(dry_run=True)
    if bulk.selector.since_ms is not None:
        said["since"] = str(bulk.selector.since_ms)  # what is confirmed later is as long ago as it is now
    answer, _ = act_in_bulk(visit, bulk)
    return _page(visit, bulk, said, answer)


def act_on_all_that_match(visit: Visit) -> Response:
    """Do it, for two seconds; then it is done, or there is a button to go on."""
    form = visit.form()
    said, until_ms = said_of(form), number_of(first(form, "until_ms"), 15)
    if not until_ms:
        raise InvalidOption("it is not said up to which moment", hint="go back and count anew")
    bulk = _meant(form, said, until_ms)
    if cursor := first(form, "cursor"):  # its boundary is that of the first step, so an age says nothing any more
        bulk = bulk._replace(cursor=read_cursor(cursor), selector=bulk.selector.at(until_ms)[0])
    answer, _ = act_in_bulk(visit, bulk)
    matched, done = (number_of(first(form, name), 15) + count
                     for name, count in (("matched", answer.matched), ("done", answer.done)))  # fmt: skip
    if answer.cursor:
        return _page(visit, bulk, said, answer, matched, done)
    missed = f"; {matched - done} had gone on meanwhile" if done < matched else ""
    told = f"{plural(done, 'job')} {DONE[bulk.act]}{missed}"
    return visit.done("/jobs", told, queue=bulk.queue, state=bulk.selector.state)


def _page(
    visit: Visit, bulk: Bulk, said: Mapping[str, str], answer: BulkAnswer, matched: int = 0, done: int = 0
) -> Response:
    """Ask whether to begin, or to go on: then ``matched`` and ``done`` are what came of it so far."""
    state = bulk.selector.state
    return visit.page(
        "bulk.html", act=bulk.act.value, queue=bulk.queue, state=state, filters=said, answer=answer,
        until_ms=bulk.until_ms, moment=moment(bulk.until_ms), cursor="" if bulk.dry_run else answer.cursor,
        matched=matched, done=done, back=visit.url("/jobs", queue=bulk.queue, state=state, **said),
    )  # fmt: skip


def _meant(given: Mapping[str, Sequence[str]], said: Mapping[str, str], until_ms: int) -> Bulk:
    values = {name: found[-1] for name, found in given.items()}
    queue, act = check_name(values.get("queue", ""), "queue"), act_of(values.get("act", ""))
    return Bulk(queue, act, chosen(values.get("state", ""), said, until_ms), until_ms)
