"""Looks for jobs by what may be seen of their arguments: a text that is hidden is never found, and never counted.

Redis would look through all that is stored. So it selects by everything else, and the text is looked for here, in what
a page would show. Large arguments are not looked through, see `MOST_BYTES`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from jqjobs.jobs.selector import Selector
from jqjobs.store import keys
from jqjobs.store.reads.jobs import arguments_of
from jqjobs.store.reads.search import Cursor, JobPage, JobRow
from jqjobs.store.reply_values import integer
from jqjobs.store.steps import Steps, run_steps
from jqjobs.store.whole_queues import find_in_places
from jqjobs.web.visit import Visit

T = TypeVar("T")

#: Arguments that take more are not looked through: a page of them has to be read and judged.
MOST_BYTES = 16 * 1024


def find_jobs(visit: Visit, queue: str, selector: Selector, limit: int, cursor: Cursor | None) -> JobPage:
    """Look for a page of jobs, see `find_in_places`. Raises: InvalidOption."""
    return run_seeing(visit, find_in_places(queue, without_text(selector), limit, cursor), selector.text)


def without_text(selector: Selector) -> Selector:
    """Return what Redis may be asked."""
    return selector._replace(text=None)


def run_seeing(visit: Visit, steps: Steps[T], text: str | None) -> T:
    """Run steps that look for jobs, as if those alone were there that show the text; None: all."""
    if text is None:
        return visit.run(steps)
    return run_steps(lambda call: _with_text(visit, visit.run(call), text), steps)


def _with_text(visit: Visit, answer: Any, text: str) -> Any:
    if not isinstance(answer, JobPage):
        return answer
    payloads = _payloads(visit, answer.rows)
    rows = [row for row, payload in zip(answer.rows, payloads, strict=True) if _shows(visit, row, payload, text)]
    return answer._replace(rows=tuple(rows))


def _payloads(visit: Visit, rows: Sequence[JobRow]) -> list[Any]:
    """Return the arguments of jobs as they are stored, None where there are none or they are large."""
    where = [visit.store.address.key(keys.job(row.place, row.id)) for row in rows]
    ask = visit.store.wire.pipeline
    sizes = ask([("HSTRLEN", key, "payload") for key in where]) if where else []
    small = [key for key, size in zip(where, sizes, strict=True) if 0 < (integer(size) or 0) <= MOST_BYTES]
    found = dict(zip(small, ask([("HGET", key, "payload") for key in small]) if small else (), strict=True))
    return [found.get(key) for key in where]


def _shows(visit: Visit, row: JobRow, payload: Any, text: str) -> bool:
    args, kwargs, _ = arguments_of(payload) if isinstance(payload, bytes) else (None, None, None)
    if args is None or kwargs is None:
        return False
    judge = visit.judge(row.queue, row.name or "")
    seen = {"args": judge.args(args), "kwargs": judge.value(kwargs)}
    return any(text in json.dumps(seen, ensure_ascii=False, separators=apart) for apart in ((", ", ": "), (",", ":")))
