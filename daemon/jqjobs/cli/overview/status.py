"""`jqctl status`."""

from __future__ import annotations

import click

from jqjobs.cli.names import only_queues
from jqjobs.cli.overview.status_report import as_text, report_broken
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.watching import watchable
from jqjobs.operations.queues import require_queue
from jqjobs.operations.status import read_status, status_json


@click.command("status")
@only_queues
@speaks_to_redis
@click.pass_obj
@watchable
def status(session: Session, queues: tuple[str, ...]) -> int:
    """Show queues, daemons and workers.

    \b
    INBOX      raw envelopes that wait to be read
    READY      will run as soon as a worker is free
    SCHEDULED  due later, retries among them
    HELD       wait for a rate or concurrency limit
    DEAD       gave up; kept for you to look at
    OLDEST     age of the oldest ready job
    ACTIVE, WAITING     in the hands of a worker, of a third party
    DONE/MIN, FAIL/MIN  attempts in the last 60 s

    Lines that start with "!" want your attention. A table leaves out what does not fit the terminal, and beyond 20
    queues or workers it adds up; -o wide shows all, and also how many are parked, kept, rejected.

    RELEASE is what a worker has loaded: JQ_RELEASE, else the git commit of the directory it was started in.

    \b
    Examples:
      jqctl status
      jqctl status --queue emails -o wide
      jqctl status --json | jq '.queues[] | {name, ready, dead}'
    """
    with session.store() as store:
        for queue in queues:
            require_queue(store, queue)
        report = read_status(store, queues)
    session.show(status_json(report), as_text(report, wide=session.is_wide), [queue.name for queue in report.queues])
    return report_broken(session, report)
