"""Jobs of a queue in one state: fifty a page, filtered by what the address says; what is selected can be acted on.

A page is read from a place, never by a number of rows to skip, so no page costs more than the first one. A search looks
at a bounded number of jobs and says at how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.words import plural
from jqjobs.errors import Conflict, InvalidName, InvalidOption, NotFound
from jqjobs.jobs.records import State, check_name
from jqjobs.jobs.selector import Selector, selector
from jqjobs.operations.acts import cancel_one, delete_one, retry_one
from jqjobs.operations.queues import require_queue
from jqjobs.store.bulk import STATES as BULK_STATES
from jqjobs.store.bulk import Act
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.raw import RAW_PAGES
from jqjobs.store.reads.search import Cursor, JobPage, JobRow, read_cursor
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import count_queue
from jqjobs.web.bulk import BULK_ACTS
from jqjobs.web.http import Response
from jqjobs.web.pages.links import back_or, first, job_url, number_of
from jqjobs.web.pages.overview import why
from jqjobs.web.pages.queue import state_counts
from jqjobs.web.searching import MOST_BYTES, find_jobs
from jqjobs.web.visit import Visit

#: Jobs of a page, and queues of one.
_PAGE, _QUEUES = 50, 100
#: What the address may say of jobs, beside queue and state.
FILTERS = ("name", "error", "text", "key", "tag", "group", "since", "older_than")
_DO = {Act.RETRY: retry_one, Act.CANCEL: cancel_one, Act.DELETE: delete_one}
#: What becomes of jobs, as people are told.
DONE = {Act.RETRY: "sent back to ready", Act.CANCEL: "cancelled", Act.DELETE: "deleted"}
_NOT_SEARCHED = f"; arguments above {MOST_BYTES // 1024} KiB are not looked through"
#: States whose jobs stand in the order in which they came there, which may be turned round: how that is said.
_FIRST_FIRST: Mapping[str, str] = {State.DEAD: "the first to die first", State.PARKED: "the first to come first"}
#: Rows of a page that can be acted on at once.
_MOST_CHOSEN = 200


class ListedJob(NamedTuple):
    """A row. ``note``: what matters most of a job in its state."""

    row: JobRow
    url: str
    note: str


def jobs(visit: Visit) -> Response:
    """Show jobs; without a queue, which queues have how many in which state."""
    queue = visit.request.asked("queue")
    if not queue:
        return _all_queues(visit)
    require_queue(visit.store, check_name(queue, "queue"))
    status = visit.run(count_queue(queue))
    state = visit.request.asked("state") or _fullest(status)
    if state in RAW_PAGES:
        return _raw(visit, status, state)
    return _listed(visit, status, state)


def _all_queues(visit: Visit) -> Response:
    """Show which queues have how many jobs in which state, a page of names at a time."""
    after = visit.request.asked("after")
    found = [each for each in visit.snapshot().status.queues if each.name > after]
    further = visit.url("/jobs", after=found[_QUEUES - 1].name) if len(found) > _QUEUES else ""
    rows = [(each.name, state_counts(visit, each)) for each in found[:_QUEUES]]
    return visit.page("states.html", queues=rows, further=further, is_first=not after)


def _fullest(status: QueueStatus) -> str:
    """Return the state to begin with where none is asked for: what is wrong first, then what moves."""
    order = ("dead", "parked", "active", "ready", "scheduled", "held", "waiting")
    return next((state for state in order if getattr(status, state)), "ready")


def _listed(visit: Visit, status: QueueStatus, state: str) -> Response:
    said = said_of(visit.request.query)
    wanted = chosen(state, said, status.now_ms)
    here = {"queue": status.name, "state": state, **said}
    # A number of jobs that are before some is a place in one partition only.
    is_fixed = said or status.partitions or state not in _FIRST_FIRST
    turned = {} if is_fixed else {**here, "order": "latest"}
    if turned and visit.request.asked("order") == "latest":
        return _latest_first(visit, status, here, turned)
    asked = visit.request.asked
    cursor = read_cursor(asked("cursor")) if asked("cursor") else None
    page = find_jobs(visit, status.name, wanted, _PAGE, cursor)
    seen = number_of(asked("seen"), 11) + page.searched
    further = visit.url("/jobs", **here, cursor=str(page.cursor), seen=seen) if page.cursor else ""
    return _page(
        visit, status, page, here, filters=said, further=further, is_first=cursor is None,
        start=visit.url("/jobs", **here), searched=_searched(page, seen, said) if said else "",
        order=_FIRST_FIRST.get(state, ""), turned=visit.url("/jobs", **turned) if turned and page.rows else "",
    )  # fmt: skip


def _latest_first(visit: Visit, status: QueueStatus, here: Mapping[str, str], turned: Mapping[str, str]) -> Response:
    """Show the latest jobs of a state: by how many are before them, which stay as many whatever comes."""
    before = number_of(visit.request.asked("before"), 11) or getattr(status, here["state"])
    passed = max(0, before - _PAGE)
    place = Cursor(here["state"], b"#%d" % passed)
    page = find_jobs(visit, status.name, Selector(here["state"]), before - passed, place)
    return _page(
        visit, status, page._replace(rows=page.rows[::-1]), here, filters={},
        further=visit.url("/jobs", **turned, before=passed) if passed else "",
        is_first=not visit.request.asked("before"), start=visit.url("/jobs", **turned), searched="",
        order="the last first", turned=visit.url("/jobs", **here),
    )  # fmt: skip


def _page(visit: Visit, status: QueueStatus, page: JobPage, here: Mapping[str, str], **told: Any) -> Response:
    queue, state = status.name, here["state"]
    return visit.page(
        "jobs.html", queue=status, counts=state_counts(visit, status), state=state, here=here,
        rows=[ListedJob(row, job_url(visit, row.queue, row.id), note_of(row)) for row in page.rows],
        now_ms=page.now_ms, unfiltered=visit.url("/jobs", queue=queue, state=state), acts=_acts(visit, state),
        back=_here(visit), **told,
    )  # fmt: skip


def _raw(visit: Visit, status: QueueStatus, state: str) -> Response:
    offset = number_of(visit.request.asked("offset"), 11)
    page = visit.raw_page(state, status.name, offset, _PAGE)
    here = {"queue": status.name, "state": state}
    further = visit.url("/jobs", **here, offset=page.next_offset) if page.next_offset is not None else ""
    return visit.page(
        "raw.html", queue=status, counts=state_counts(visit, status), state=state, entries=page.entries,
        further=further, now_ms=status.now_ms,
    )  # fmt: skip


def said_of(given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what an address or a form says of jobs."""
    return {name: given[name][-1].strip() for name in FILTERS if given.get(name, [""])[-1].strip()}


def chosen(state: str, said: Mapping[str, str], now_ms: int) -> Selector:
    """Return the selector that is meant. Raises: InvalidName, InvalidOption."""
    if state not in list(State):
        raise InvalidOption(f"there is no state {state!r}", hint=f"states are {', '.join(State)}")
    return selector(state=state, now_ms=now_ms, **said)


def _searched(page: JobPage, seen: int, said: Mapping[str, str]) -> str:
    """Return how far a search has come."""
    left_out = _NOT_SEARCHED if "text" in said else ""
    if page.cursor is None:
        return (f"searched all {page.total:,}" if seen >= page.total else f"searched {seen:,}") + left_out
    return f"searched {min(seen, page.total):,} of {page.total:,}{left_out}"


def note_of(row: JobRow) -> str:
    """Return what matters most of a job in its state."""
    if row.state == State.HELD:
        return f"the limit {row.held_by} holds it back"
    return why(row.reason, row.error)


def _acts(visit: Visit, state: str) -> list[str]:
    """Return what may be done to jobs of a state, by who looks."""
    return [act.value for act, right in BULK_ACTS.items() if state in BULK_STATES[act] and visit.access.may(right)]


def _here(visit: Visit) -> str:
    """Return the path of this very list, for forms to come back to."""
    query = {name: values[-1] for name, values in visit.request.query.items() if name not in ("said", "seal")}
    return visit.url("/jobs", **query).removeprefix(visit.request.prefix)


def act_on_chosen(visit: Visit) -> Response:
    """Do something to the jobs whose boxes are checked."""
    form = visit.form()
    act, queue = act_of(first(form, "act")), check_name(first(form, "queue"), "queue")
    ids = form.get("id", [])[:_MOST_CHOSEN]
    if not ids:
        raise InvalidOption("no job is chosen", hint="check the boxes of those that are meant")
    noted = visit.act(BULK_ACTS[act], queue, act=act.value)
    done = sum(_does(visit.store, act, f"{queue}/{job_id}") for job_id in ids)
    noted.n = done
    missed = f"; {len(ids) - done} had gone on meanwhile" if done < len(ids) else ""
    return visit.done(back_or(visit, "/jobs"), f"{plural(done, 'job')} {DONE[act]}{missed}")


def act_of(word: str) -> Act:
    """Return the act that is meant. Raises: InvalidOption."""
    if word not in BULK_ACTS:
        raise InvalidOption(f"there is no act {word!r}", hint=f"acts are {', '.join(BULK_ACTS)}")
    return Act(word)


def _does(store: Store, act: Act, reference: str) -> bool:
    try:
        _DO[act](store, reference)
    except (Conflict, NotFound, InvalidName):
        return False
    return True
