"""`jqctl errors`: what dead jobs died of, the same errors counted together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from jqjobs.base.clock import format_age
from jqjobs.cli.names import only_queues
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table, alarm
from jqjobs.operations.error_groups import group_json
from jqjobs.operations.queues import queues_meant
from jqjobs.store.reads.error_groups import ErrorGroup, error_groups
from jqjobs.store.reads.queues import server_now_ms

_COLUMNS = (
    Column("DEAD", right=True, colour=alarm), Column("QUEUE", flexible=True), Column("JOB", flexible=True),
    Column("LAST", right=True), Column("FIRST", right=True, goes=1), Column("ERROR", flexible=True),
    Column("SAMPLE", flexible=True, goes=2), Column("FINGERPRINT", wide=True),
)  # fmt: skip


@click.command("errors")
@only_queues
@speaks_to_redis
@click.pass_obj
def errors(session: Session, queues: Sequence[str]) -> None:
    """Count dead jobs by what they died of, the most frequent first.

    Errors are the same when job, exception and message are, whatever ids, numbers and quoted values the message has. Of
    jobs whose end no worker reported (crashed, expired, cancelled …) those of one reason and name count together. What
    is retried, deleted or trimmed counts no more. SAMPLE is the job that died last: jqctl job show QUEUE/SAMPLE.

    \b
    Examples:
      jqctl errors
      jqctl errors --queue emails -o wide
      jqctl errors --json | jq '.errors[] | select(.count > 100)'
    """
    with session.store() as store:
        groups = error_groups(store, queues_meant(store, queues))
        now_ms = 0 if session.as_json else server_now_ms(store)
    samples = [f"{group.queue}/{group.sample_id}" for group in groups if group.sample_id]
    session.show({"errors": list(map(group_json, groups))}, error_parts(groups, now_ms), samples)


def error_parts(groups: Sequence[ErrorGroup], now_ms: int) -> Iterator[Part]:
    """Return what ``errors`` tells people."""
    if groups:
        yield Table(_COLUMNS, [_cells(group, now_ms) for group in groups])
    else:
        yield "No job is dead."


def _cells(group: ErrorGroup, now_ms: int) -> list[str]:
    last, first = (format_age(max(0, now_ms - moment) / 1000) for moment in (group.last_ms, group.first_ms))
    return [
        str(group.dead), group.queue, group.name or "-", last, first, group.in_words(), group.sample_id or "-",
        group.fingerprint,
    ]  # fmt: skip
