"""GET /api/v1/…: what `jqctl --json` tells, by HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jqjobs.base.exposition import MEDIA_TYPE, exposition
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.jobs.scaling import decide
from jqjobs.jobs.selector import Selector, selector
from jqjobs.jobs.statistics import MOST_RECENT
from jqjobs.operations.batches import find_batch, found_json, read_batches, record_json
from jqjobs.operations.daemons import daemon_json
from jqjobs.operations.error_groups import group_json
from jqjobs.operations.jobs import job_json, jobs_json, raw_json
from jqjobs.operations.lookup import read_job
from jqjobs.operations.queues import require_queue
from jqjobs.operations.registered import offer_json
from jqjobs.operations.scaling import read_rules, scale_json
from jqjobs.operations.schedules import read_schedules, schedule_json
from jqjobs.operations.status import queues_json, status_json
from jqjobs.store.reads.catalog import read_offers
from jqjobs.store.reads.error_groups import error_groups
from jqjobs.store.reads.limits import held_limits
from jqjobs.store.reads.loads import loads_of
from jqjobs.store.reads.metrics import queue_metrics
from jqjobs.store.reads.queues import known_queues, queue_status, server_now_ms
from jqjobs.store.reads.raw import RAW_PAGES
from jqjobs.store.reads.recent import recent_ends
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.search import read_cursor
from jqjobs.store.reads.statistics import queue_statistics
from jqjobs.web.http import Response, json_response, text_response
from jqjobs.web.searching import find_jobs
from jqjobs.web.visit import Visit

_USUAL_ROWS, _MOST_ROWS = 50, 500


def status(visit: Visit) -> Response:
    """Queues, daemons and memory, as of the last second."""
    return json_response(200, status_json(visit.snapshot().status))


def queues(visit: Visit) -> Response:
    """All queues in numbers, as of the last second."""
    return json_response(200, {"queues": queues_json(visit.snapshot().status)})


def queue(visit: Visit) -> Response:
    """One queue in numbers, the limits that hold its jobs back, and what is counted by job name."""
    name = _queue(visit, visit.params["queue"])
    told = [each for each in queues_json(visit.snapshot().status) if each["name"] == name]
    limits = [limit._asdict() for limit in visit.run(held_limits(name))]
    names = [one._asdict() for one in queue_statistics(visit.store, [name])]
    return json_response(200, {"queue": told[0] if told else {"name": name}, "limits": limits, "names": names})


def jobs(visit: Visit) -> Response:
    """A page of jobs of a queue that are selected."""
    request = visit.request
    name, state = _queue(visit, request.asked("queue", "default")), request.asked("state")
    limit = _number(visit, "limit", _USUAL_ROWS, range(1, _MOST_ROWS + 1))
    if state in RAW_PAGES:
        page = visit.raw_page(state, name, _number(visit, "cursor", 0, range(10**15)), limit)
        return json_response(200, raw_json(page, name, state))
    cursor = request.asked("cursor")
    found = find_jobs(visit, name, _selector(visit), limit, read_cursor(cursor) if cursor else None)
    return json_response(200, jobs_json(found))


def _selector(visit: Visit) -> Selector:
    words = ("state", "name", "error", "text", "key", "tag", "group")
    asked = {word: visit.request.asked(word) or None for word in words}
    since, older_than = visit.request.asked("since"), visit.request.asked("older_than")
    now_ms = server_now_ms(visit.store) if since else None
    return selector(**asked, since=since or None, older_than=older_than or None, now_ms=now_ms)


def job(visit: Visit) -> Response:
    """All that is known of a job."""
    found = read_job(visit.store, check_name(visit.params["queue"], "queue"), check_name(visit.params["id"], "job id"))
    return json_response(200, {"job": job_json(visit.judge(found.queue, found.name).job(found))})


def errors(visit: Visit) -> Response:
    """What dead jobs died of, the most frequent first."""
    return json_response(200, {"errors": list(map(group_json, error_groups(visit.store, _chosen(visit))))})


def recent(visit: Visit) -> Response:
    """The last attempts that have ended, the latest first."""
    name = visit.request.asked("name")
    found = [end for end in recent_ends(visit.store, _chosen(visit)) if not name or end.name == name]
    return json_response(200, {"jobs": [end._asdict() for end in found[:MOST_RECENT]]})


def schedules(visit: Visit) -> Response:
    """What runs by itself: when it comes next, and what became of the last run."""
    return json_response(200, {"schedules": list(map(schedule_json, read_schedules(visit.store, _chosen(visit))))})


def batches(visit: Visit) -> Response:
    """Batches, those first that still go on; of one queue page by page."""
    names, limit = _chosen(visit), _number(visit, "limit", _USUAL_ROWS, range(1, _MOST_ROWS + 1))
    offset = _number(visit, "cursor", 0, range(10**9)) if visit.request.asked("queue") else 0
    found = read_batches(visit.store, names, limit, offset)
    cursor = None if found.next_offset is None else str(found.next_offset)
    told = {"total": found.total, "going_on": found.going_on, "cursor": cursor}
    return json_response(200, {"batches": list(map(record_json, found.batches)), **told})


def batch(visit: Visit) -> Response:
    """One batch: how far it is, what comes after it, its members."""
    return json_response(200, found_json(find_batch(visit.store, f"{visit.params['queue']}/{visit.params['id']}")))


def limits(visit: Visit) -> Response:
    """The limits that hold jobs back."""
    names = _chosen(visit)
    found = zip(names, visit.store.run_all([held_limits(name) for name in names]), strict=True)
    return json_response(
        200, {"limits": [{"queue": name, **limit._asdict()} for name, held in found for limit in held]}
    )


def daemons(visit: Visit) -> Response:
    """The daemons that run, with their workers and what these do."""
    found = visit.snapshot().status.registry.daemons
    return json_response(200, {"daemons": [daemon_json(daemon) for daemon in found]})


def catalog(visit: Visit) -> Response:
    """The jobs that workers have registered, with a JSON Schema of each call."""
    wanted, registry = set(_chosen(visit)), read_registry(visit.store)
    told = [offer_json(visit.seen(offer), registry) for offer in read_offers(visit.store) if offer.queue in wanted]
    return json_response(200, {"jobs": told})


def scale(visit: Visit) -> Response:
    """How many workers the jobs call for: all, as of the last second, or those of some queues."""
    asked = {word: visit.request.asked(word) for word in ("policy", "target", "min", "max", "lead", "concurrency")}
    rules, lead_s = read_rules(asked)
    names = [name for name in visit.request.asked("queues").split(",") if name]
    for name in names:
        _queue(visit, name)
    counted = visit.store.run_all(list(map(queue_status, names))) if names else visit.snapshot().status.queues
    load = loads_of(visit.store, counted, lead_s).total
    return json_response(200, scale_json(load, decide(load, rules)))


def metrics(visit: Visit) -> Response:
    """What Prometheus is told of queues, as text; counted in the last second."""
    told = queue_metrics(visit.store, visit.snapshot().status.queues)
    return text_response(200, exposition(told), MEDIA_TYPE)


def _queue(visit: Visit, name: str) -> str:
    """Return the name of a queue that there is. Raises: InvalidName, NotFound."""
    require_queue(visit.store, check_name(name, "queue"))
    return name


def _chosen(visit: Visit) -> Sequence[str]:
    """Return the queue that is asked for, or all."""
    name = visit.request.asked("queue")
    return [_queue(visit, name)] if name else known_queues(visit.store)


def _number(visit: Visit, name: str, usual: int, allowed: Iterable[int]) -> int:
    said = visit.request.asked(name)
    if not said:
        return usual
    if not (said.isascii() and said.isdigit() and len(said) <= 15 and int(said) in allowed):
        raise InvalidOption(f"{name} {said!r} is not in its range")
    return int(said)
