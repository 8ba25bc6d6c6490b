"""`jqctl status` for people: fits 100 columns, and says in words what wants attention."""

from __future__ import annotations

import pytest

from jqjobs.cli.status_report import StatusReport, as_json, as_text
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import DaemonInfo, Registry, RunningJob, WorkerInfo

NOW_MS = 1_700_000_000_000
QUIET = QueueStatus(
    name="emails", inbox=0, ready=0, scheduled=0, active=0, held=0, suspects=0, waiting=0, parked=0, kept=0, dead=0,
    rejected=0, workers=1, paused_ms=None, oldest_ready_s=None, done=0, failed=0, done_per_minute=0.0,
    failed_per_minute=0.0, trimmed=0, now_ms=NOW_MS,
)  # fmt: skip
IDLE = WorkerInfo("h:8:a", 8, "ready", (), 41_000_000, 3700.0)
DAEMON = DaemonInfo(
    id="d1", name="web", host="h", pid=7, state="running", version="0.1.0", queues=("emails",), workers=(IDLE,),
    slots=1, note="", age_s=90.0, seen_s=1.0,
)  # fmt: skip


def shown(*queues: QueueStatus, daemons: tuple[DaemonInfo, ...] = (DAEMON,), **broken: str) -> str:
    report = StatusReport("redis://h:6379/0", Registry(NOW_MS, daemons), queues, broken)
    return "\n".join(as_text(report))


def notes(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("!")]


def test_an_empty_system_says_what_to_do_next() -> None:
    text = shown(daemons=())
    assert "no queues, no daemons" in text
    assert "jqd --app" in text
    assert "jqctl enqueue" in text


def test_a_healthy_system_has_no_exclamation_mark() -> None:
    text = shown(QUIET)
    assert notes(text) == []
    assert "1 queue, 1 daemon, 1 worker" in text


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"paused_ms": NOW_MS - 185_000}, "PAUSED for 3m05s"),
        ({"dead": 3}, "3 DEAD (jqctl job list --queue emails --state dead)"),
        ({"rejected": 2}, "2 REJECTED"),
        ({"parked": 4}, "4 PARKED: no live worker offers"),
        ({"parked": 4, "misfits": 4}, "4 PARKED: their arguments"),
        ({"name": "other"}, "NOT SERVED"),
    ],
)
def test_what_wants_attention_is_said_in_words_below_its_queue(change: dict[str, int], note: str) -> None:
    [found] = notes(shown(QUIET._replace(**change)))
    assert found.startswith(f"! {note}")


def test_dead_jobs_that_are_gone_are_counted_and_the_settings_named() -> None:
    text = shown(QUIET._replace(trimmed=500))
    assert "500 dead ones were trimmed: too many or too old (jqd --max-dead, --dead)" in text


def test_a_missing_daemon_is_said_once_not_for_every_queue() -> None:
    [found] = notes(shown(QUIET, QUIET._replace(name="files"), daemons=()))
    assert "NO DAEMON IS RUNNING" in found


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"state": "waiting_memory", "note": "12 MiB left"}, "WAITING FOR MEMORY: takes no new jobs: 12 MiB left"),
        ({"state": "waiting_redis"}, "WAITING FOR REDIS"),
        ({"state": "quiet"}, "QUIET"),
        ({"state": "draining"}, "DRAINING"),
        ({"note": "reload refused: SyntaxError"}, "reload refused: SyntaxError"),
        ({"slots": 4}, "1 WORKER OF 4"),
        ({"slots": 2, "workers": ()}, "NO WORKERS OF 2"),
        ({"seen_s": 25.0}, "SILENT for 25s"),
    ],
)
def test_a_daemon_that_does_not_simply_run_says_so(change: dict[str, object], note: str) -> None:
    [found] = notes(shown(QUIET, daemons=(DAEMON._replace(**change),)))
    assert found.startswith(f"! {note}")


def test_a_worker_shows_its_longest_job() -> None:
    jobs = (RunningJob("b", "short", "emails", 1, 0.2), RunningJob("a", "send", "emails", 2, 65.0))
    busy = IDLE._replace(state="busy", jobs=jobs)
    text = shown(QUIET, daemons=(DAEMON._replace(workers=(busy, IDLE)),))
    assert "send emails/a (attempt 2, for 1m05s), and 1 job more" in text
    assert "41.0" in text
    assert "1h01m" in text


def test_it_fits_100_columns_whatever_the_names_and_numbers() -> None:
    name = "q" * 128
    huge = dict.fromkeys(("inbox", "ready", "scheduled", "active", "waiting"), 10_000_000)
    busy = IDLE._replace(state="busy", jobs=(RunningJob("i" * 128, "n" * 128, name, 3, 1e6),))
    text = shown(
        QUIET._replace(name=name, oldest_ready_s=1e7, done_per_minute=123456.7, **huge),
        daemons=(DAEMON._replace(queues=(name,), workers=(busy,)),),
    )
    tables = [line for line in text.splitlines() if not line.startswith(("  queues", "DAEMON", "Redis"))]
    assert max(map(len, tables)) <= 100


def test_nothing_known_of_a_daemon_still_makes_a_line() -> None:
    blank = DaemonInfo("d1", "", "", None, "", "", (), (WorkerInfo("w", None, "", (), None, None),), None, "", None, 0)
    text = shown(daemons=(blank,))
    assert "DAEMON d1: state unknown (pid ? on ?, jqjobs ?)" in text
    assert "queues: none" in text


def test_a_queue_that_cannot_be_counted_does_not_hide_the_others() -> None:
    text = shown(QUIET, files="WRONGTYPE")
    assert "2 queues" in text
    assert notes(text) == ["! CANNOT BE COUNTED: WRONGTYPE"]
    assert "emails" in text


def test_the_json_has_the_keys_that_outside_tools_rely_on() -> None:
    busy = IDLE._replace(jobs=(RunningJob("a", "send", "emails", 2, 65.0),))
    report = StatusReport(
        "redis://h:6379/0", Registry(NOW_MS, (DAEMON._replace(workers=(busy,)),)), [QUIET], {"bad": "WRONGTYPE"}
    )
    found = as_json(report)
    broken, queue = found["queues"]
    assert broken == {"name": "bad", "error": "WRONGTYPE"}
    assert set(queue) >= {
        "name", "inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "kept", "dead", "rejected",
        "paused", "oldest_ready_s", "done", "failed", "done_per_minute", "failed_per_minute",
        "trimmed",
    }  # fmt: skip
    assert (queue["paused"], queue["held"], queue["served"]) == (False, 0, True)
    [daemon] = found["daemons"]
    assert set(daemon) >= {"name", "id", "host", "pid", "state", "version", "queues", "workers"}
    [worker] = daemon["workers"]
    assert set(worker) >= {"id", "pid", "state", "jobs", "rss_bytes", "age_s"}
    [job] = worker["jobs"]
    assert job == {
        "id": "a", "name": "send", "queue": "emails", "attempt": 2, "running_s": 65.0, "progress": None,
    }  # fmt: skip
