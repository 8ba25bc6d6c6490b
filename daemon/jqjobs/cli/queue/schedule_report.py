"""What `jqctl schedule list` tells a person: a table, and which schedules stand twice."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.base.words import moment
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.operations.schedules import Listed
from jqjobs.store.calls.schedules import CLASH_HINT, DOUBLE_HINT


def schedule_parts(listed: Sequence[Listed]) -> list[Part]:
    """Return what `jqctl schedule list` tells a person."""
    if not listed:
        return [
            "No schedule is known. Jobs become periodic by @app.periodic(…), once a worker is ready, or by "
            "jqctl schedule add."
        ]
    columns = (
        Column("SCHEDULE", flexible=True), Column("WHEN", flexible=True), Column("NEXT"),
        Column("LAST TICK", goes=1), Column("RUN"),
    )  # fmt: skip
    return [Table(columns, [_row(each) for each in listed]), *_clashes(listed)]


def _clashes(listed: Sequence[Listed]) -> list[str]:
    of_apps = [
        f"{each.ref} is a schedule of {len(each.planned.apps)} apps, {' and '.join(each.planned.apps)}: {CLASH_HINT}"
        for each in listed if len(each.planned.apps) > 1
    ]  # fmt: skip
    doubles = [each.ref for each in listed if each.planned.has_double]
    return of_apps + [f"{ref} is in code, and was added at run time too: {DOUBLE_HINT}" for ref in doubles]


def _row(each: Listed) -> tuple[str, ...]:
    when = each.broken if each.times is None else str(each.times)
    return each.ref, when, _next(each), moment(each.planned.ran_ms), each.outcome or "-"


def _next(each: Listed) -> str:
    if each.planned.paused_ms is not None:
        return "paused"
    if not each.planned.offered:
        return "no worker has it"
    return "broken" if each.times is None else moment(each.next_ms)
