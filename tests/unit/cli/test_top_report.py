"""`jqctl top` for people: in 80 columns and in 140."""

from __future__ import annotations

import pytest

from jqjobs.cli.overview.top_report import as_text
from jqjobs.cli.tables import lay_out
from jqjobs.operations.status import StatusReport
from jqjobs.operations.top import Head, Running, TopReport
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import DaemonInfo, Registry
from jqjobs.store.reads.search import JobRow

NOW_MS = 1_700_000_000_000
QUEUE = QueueStatus(
    name="emails", inbox=0, ready=12_000, scheduled=3, active=2, held=0, suspects=0, waiting=0, parked=0, kept=0,
    dead=4, rejected=0, workers=1, paused_ms=None, oldest_ready_s=75.0, done=9000, failed=20, done_per_minute=740.0,
    failed_per_minute=1.5, trimmed=0, now_ms=NOW_MS,
)  # fmt: skip
DAEMON = DaemonInfo(
    id="d1", name="web", host="h", pid=7, state="running", version="0.1.0", queues=("emails",), workers=(),
    slots=1, note="", age_s=90.0, seen_s=1.0,
)  # fmt: skip
WORKER = "shop-worker-7f9c4d:16734:19b6c746"
DEATH = JobRow(
    "hz6i3qnm4qfgp4bk", "emails", "send_welcome", "dead", NOW_MS - 14_000, None, 0, None, 1, 1,
    "ValueError: no such user 289 in the table of all users of this shop", "failed", None, None,
)  # fmt: skip


def report(*running: Running) -> TopReport:
    status = StatusReport("redis://h:6379/0", Registry(NOW_MS, (DAEMON,)), [QUEUE], {})
    return TopReport(status, Head(12.3, 0.5, 320, 2_200_000), running, [DEATH])


def lines(columns: int, *running: Running, most: int = 20) -> list[str]:
    return list(lay_out(as_text(report(*running), most), columns))


LONG = Running("5aw75gzwn2pyjq7g", "emails", "nightly_report_of_everything", WORKER, 95_000, 40_000)
QUICK = Running("zlg2ph77iglcxfdi", "emails", "send_welcome", WORKER, 200, None)


@pytest.mark.parametrize("columns", [80, 140])
def test_it_fits_and_the_longest_job_stands_beside_what_its_name_usually_takes(columns: int) -> None:
    shown = lines(columns, LONG, QUICK)
    assert shown[0] == "12.3 jobs/s  0.5 failures/s  wait p95 320ms  Redis 2.2 MB"
    assert max(map(len, shown)) <= columns
    [late] = [line for line in shown if "nightly" in line]
    assert late.split()[:3] == [">", "1m35s", "40s"]
    assert any(line.startswith("14s ago  emails/hz6i3qnm4qfgp4bk") for line in shown)


def test_140_columns_cut_nothing() -> None:
    shown = "\n".join(lines(140, LONG, QUICK))
    assert WORKER in shown
    assert LONG.ref in shown
    assert "failed: ValueError: no such user 289 in the table of all users of this shop" in shown


def test_what_there_is_no_room_for_is_counted() -> None:
    assert "and 1 more" in lines(80, LONG, QUICK, most=1)
