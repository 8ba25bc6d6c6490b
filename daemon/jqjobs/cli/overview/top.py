"""`jqctl top`: what goes on now, looked at again and again."""

from __future__ import annotations

import shutil
from collections import deque
from itertools import takewhile

import click

from jqjobs.cli.names import only_queues
from jqjobs.cli.overview.status_report import report_broken
from jqjobs.cli.overview.top_report import as_text
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.watching import EVERY, every_s, watch
from jqjobs.operations.queues import require_queue
from jqjobs.operations.status import read_status
from jqjobs.operations.top import TopReport, read_top, top_json
from jqjobs.store.store import Store

#: Rates are those since the oldest look of the last so many seconds.
_RATE_MS = 10_000
#: Rows of each table: with --once, with -o wide, and where there is little room.
_MOST, _MOST_WIDE, _FEWEST = 20, 500, 3
#: Lines of a screen that are no rows: titles, gaps, the head.
_NO_ROWS = 10


@click.command("top")
@click.option("--once", is_flag=True, help="Show it once and end.")
@only_queues
@click.option(
    "--every", "pause_s", default=EVERY, show_default=True, metavar="TIME", callback=every_s, help="How often to look."
)
@speaks_to_redis
@click.pass_obj
def top(session: Session, once: bool, queues: tuple[str, ...], pause_s: float) -> int:
    """Show what goes on: rates, queues, running jobs, the latest deaths.

    Rates are those of the last 10 s, with --once of the last minute. WAIT P95: 95 % of the jobs that began in the last
    10 to 20 minutes had waited no longer. P95 of a running job: 95 % of the jobs of that name were done by then. Both
    are rounded up to 5 ms, doubled again and again. Running jobs are those that daemons told last, the longest first.

    q ends, p stops the picture and lets it go on, / shows only rows with a text in them. Where Redis is away, that is
    said, and it goes on once Redis is back.

    \b
    Examples:
      jqctl top
      jqctl top --queue emails --every 1s
      jqctl top --once --json | jq '.running[] | select(.elapsed_ms > .p95_ms)'
    """
    looks = _Looks(session, queues)
    return looks.look() if once else watch(session, looks.look, pause_s)


class _Looks:
    """Looks of one `top`: each knows those shortly before it."""

    def __init__(self, session: Session, queues: tuple[str, ...]) -> None:
        self._session = session
        self._queues = queues
        self._before: deque[TopReport] = deque()

    def look(self) -> int:
        """Show what there is now."""
        with self._session.store() as store:
            report = self._read(store)
        self._session.show(top_json(report), as_text(report, self._rows), [each.ref for each in report.running])
        return report_broken(self._session, report.status)

    def _read(self, store: Store) -> TopReport:
        for queue in self._queues:
            require_queue(store, queue)
        status = read_status(store, self._queues)
        since_ms = status.registry.now_ms - _RATE_MS
        for _ in list(takewhile(lambda each: each.now_ms < since_ms, self._before)):
            self._before.popleft()
        report = read_top(store, status, self._rows, self._before[0] if self._before else None)
        self._before.append(report)
        return report

    @property
    def _rows(self) -> int:
        """How many rows each table may have."""
        if self._session.is_wide or self._session.as_json:
            return _MOST_WIDE
        if self._session.screen is None:
            return _MOST
        return max(_FEWEST, (shutil.get_terminal_size().lines - _NO_ROWS) // 3)
