"""`jqctl status` for people: fits 100 columns, and says in words what wants attention."""

from __future__ import annotations

import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.overview.status_report import as_text, report_broken
from jqjobs.cli.session import Session
from jqjobs.cli.tables import lay_out
from jqjobs.operations.status import StatusReport, status_json, why_none_is_taken
from jqjobs.store.reads.memory import RedisMemory
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


def shown(
    *queues: QueueStatus, daemons: tuple[DaemonInfo, ...] = (DAEMON,), most: int | None = 100, **broken: str
) -> str:
    """What `jqctl status` tells where so many columns are; None: what `-o wide` tells."""
    report = StatusReport("redis://h:6379/0", Registry(NOW_MS, daemons), queues, broken)
    return "\n".join(lay_out(as_text(report, wide=most is None), most))


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
        ({"dead": 3}, "3 DEAD (jqctl errors --queue emails)"),
        ({"ready": 4, "held": 2, "max_length": 6}, "FULL: as many jobs wait as --max-length"),
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


def test_of_a_queue_that_nobody_serves_it_says_which_similar_one_is_served() -> None:
    [found] = notes(shown(QUIET._replace(name="emals")))
    assert "no daemon takes jobs of this queue, but of 'emails': is that what was meant?" in found


@pytest.mark.parametrize(
    ("why", "daemons", "queue"),
    [
        ("no daemon is running (start one", (), QUIET),
        ("no daemon takes jobs of this queue, but of 'emails'", (DAEMON,), QUIET._replace(name="emials")),
        ('the queue is paused, by ann, "deploy" (jqctl queue resume emails)', (DAEMON,),
         QUIET._replace(paused_ms=NOW_MS, paused_by="ann", paused_reason="deploy")),
        ("daemon web on h (pid 7): it is draining", (DAEMON._replace(state="draining"),), QUIET),
        ("daemon web on h (pid 7): it waits for memory: 1 GB free",
         (DAEMON._replace(state="waiting_memory", note="1 GB free"),), QUIET),
        ("all workers that serve its queue are busy",
         (DAEMON._replace(workers=(IDLE._replace(state="busy"),)),), QUIET),
        ("", (DAEMON, DAEMON._replace(state="draining")), QUIET),
    ],
)  # fmt: skip
def test_of_a_ready_job_it_is_said_why_nobody_takes_it(
    why: str, daemons: tuple[DaemonInfo, ...], queue: QueueStatus
) -> None:
    said = why_none_is_taken(queue, Registry(NOW_MS, daemons))
    assert said.startswith(why)
    assert bool(said) == bool(why)


def many(count: int) -> list[QueueStatus]:
    return [QUIET._replace(name=f"q{number:02}", ready=1, workers=0) for number in range(count)]


def test_beyond_twenty_queues_the_rest_is_added_up_and_wide_shows_each() -> None:
    queues = [*many(28), QUIET._replace(name="sick", dead=1), QUIET._replace(name="busy", ready=5000)]
    daemons = (DAEMON._replace(queues=tuple(queue.name for queue in queues)),)
    rows = [line.split() for line in shown(*queues, daemons=daemons).splitlines()]
    told = [row[0] for row in rows if row and row[0].startswith("q") and row[0] != "queues:"]
    assert (len(told), told[0], told[-1]) == (18, "q00", "q17"), "and the two that matter more"
    assert {"sick", "busy"} <= {row[0] for row in rows if row}
    [rest] = [row for row in rows if row[:3] == ["…", "10", "more"]]
    assert rest[3:5] == ["0", "10"], "INBOX and READY of the others"
    wide = shown(*queues, daemons=daemons, most=None)
    assert all(queue.name in wide for queue in queues)
    assert "more" not in wide


def test_twenty_queues_are_shown_one_by_one() -> None:
    assert "more" not in shown(*many(20), daemons=())


def test_beyond_twenty_workers_the_longest_jobs_are_shown_and_the_rest_is_added_up() -> None:
    idle = [IDLE._replace(id=f"h:{pid}:i", pid=pid) for pid in range(1000, 1060)]
    job = RunningJob("a", "long", "emails", 1, 300.0)
    busy = IDLE._replace(id="h:7:b", pid=7777, state="busy", jobs=(job,))
    one, other = DAEMON._replace(workers=(*idle[:30], busy)), DAEMON._replace(id="d2", workers=tuple(idle[30:]))
    text = shown(QUIET, daemons=(one, other))
    assert text.count("ready  ") == 19
    assert "7777" in text
    assert "and 11 workers more: 11 ready, 451 MB" in text
    assert "\n  30 workers: 30 ready, 1230 MB" in text
    wide = shown(QUIET, daemons=(one, other), most=None)
    assert all(str(worker.pid) in wide for worker in idle)
    assert "h:7:b" in wide


def test_beyond_twenty_daemons_those_that_want_attention_are_shown() -> None:
    daemons = [DAEMON._replace(id=f"d{number}", name=f"web{number:02}", workers=(), slots=0) for number in range(30)]
    daemons[29] = daemons[29]._replace(state="waiting_memory")
    text = shown(QUIET, daemons=tuple(daemons))
    assert text.count("DAEMON ") == 20
    assert "DAEMON web29" in text
    assert "and 10 daemons more, with no workers" in text


def test_a_daemon_of_many_queues_names_some() -> None:
    text = shown(QUIET, daemons=(DAEMON._replace(queues=("emails", *(f"q{number}" for number in range(399)))),))
    assert "q18, and 380 more" in text


def test_a_daemon_that_follows_its_jobs_says_how_far_it_may_go() -> None:
    assert "  workers: 1 of 1..8, as jobs call for" in shown(QUIET, daemons=(DAEMON._replace(processes="1..8"),))
    assert "as jobs call for" not in shown(QUIET, daemons=(DAEMON._replace(processes="1"),))


def test_queues_with_weights_are_told_as_they_were_given() -> None:
    daemon = DAEMON._replace(queues=("emails", "reports"), weights=(3, 1))
    assert "  queues: emails:3 reports:1" in shown(QUIET, daemons=(daemon,))


def test_each_worker_shows_which_release_it_runs() -> None:
    commit = "83baae61804e65cc73a7201a7252750c76066a30"
    workers = (IDLE._replace(release=commit), IDLE._replace(id="b", release="v42"), IDLE._replace(id="c"))
    daemons = (DAEMON._replace(workers=workers, slots=3),)
    rows = [line.split() for line in shown(QUIET, daemons=daemons).splitlines()]
    assert [row[4] for row in rows if row[:2] in (["PID", "STATE"], ["8", "ready"])] == ["AGE", "83baae618", "v42", "-"]
    assert commit in shown(QUIET, daemons=daemons, most=None)
    assert status_json(StatusReport("", Registry(0, daemons), [], {}))["daemons"][0]["workers"][0]["release"] == commit


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("workers do not start: No module named 'shop'", "No module named 'shop'"),
        ("", "NO WORKERS OF 2: none has started yet; the log of the daemon says more"),
    ],
)
def test_why_there_are_no_workers_is_said(note: str, said: str) -> None:
    text = shown(QUIET, daemons=(DAEMON._replace(slots=2, workers=(), note=note),))
    assert any(said in each for each in notes(text))


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


@pytest.mark.parametrize("most", [60, 80, 100, 140])
def test_it_fits_the_terminal_whatever_the_names_and_numbers(most: int) -> None:
    name = "q" * 128
    huge = dict.fromkeys(("inbox", "ready", "scheduled", "active", "waiting"), 10_000_000)
    busy = IDLE._replace(state="busy", jobs=(RunningJob("i" * 128, "n" * 128, name, 3, 1e6),))
    text = shown(
        QUIET._replace(name=name, oldest_ready_s=1e7, done_per_minute=123456.7, **huge),
        daemons=(DAEMON._replace(queues=(name,), workers=(busy,)),),
        most=most,
    )
    tables = [line for line in text.splitlines() if not line.startswith(("  queues", "DAEMON", "Redis"))]
    assert max(map(len, tables)) <= most


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
    found = status_json(report)
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


def test_a_redis_that_is_full_soon_is_told_and_one_that_is_not_is_not() -> None:
    def told(growth_per_s: float) -> list[str]:
        memory = RedisMemory(1_000_000, 2_000_000, True, growth_per_s)
        report = StatusReport("redis://h:6379/0", Registry(NOW_MS, (DAEMON,)), (QUIET,), {}, memory)
        return notes("\n".join(lay_out(as_text(report), 100)))

    assert told(100.0) == ["! REDIS IS FULL IN 2h46m at the growth of the last hour (jqctl doctor)"]
    assert told(10.0) == told(-1.0) == []


def test_what_cannot_be_counted_is_said_on_stderr_where_no_screen_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    report = StatusReport("redis://h:6379/0", Registry(NOW_MS, ()), (), {"q": "WRONGTYPE"})
    assert report_broken(Session(screen=lambda parts: None), report) == report_broken(Session(), report) == Exit.ERROR
    assert capsys.readouterr().err == "jqctl: queue q cannot be counted: WRONGTYPE\n"
