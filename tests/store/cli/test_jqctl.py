"""jqctl against a real server: the shapes of its answers, its exit codes, and that it is quick."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import jqjobs
from jqjobs.base.words import moment
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.person import who
from jqjobs.jobs.records import Kind
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import daemons, enqueueing, leases, upkeep
from jqjobs.store.calls.waits import expect
from jqjobs.store.reads import server_info
from jqjobs.store.reads.server_info import info_fields
from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

BOOM = json.dumps({"attempt": 1, "reason": "failed", "error": "boom", "traceback": "T\n  boom", "worker": "w",
                   "started_ms": 1000, "ended_ms": 3000}).encode()  # fmt: skip


def serve(system: QueueSystem, *queues: str, **more: Any) -> None:
    about = {"name": "web", "state": "running", "queues": " ".join(queues), "pid": 7, **more}
    system.run(daemons.register("d1", 60_000, about, {}))


def kill_jobs(system: QueueSystem, *ids: str, queue: str = "q") -> None:
    """Put dead jobs into a queue."""
    system.store.run(upkeep.add_queues([queue]))
    system.add(*ids, queue=queue)
    for job in system.take(want=len(ids), queues=(queue,)):
        system.settle("w", job, Kind.DISCARDED, text="boom", line=BOOM)


def in_shell(system: QueueSystem, line: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which $jqctl is the command."""
    command = f"{sys.executable} -m jqjobs.cli.jqctl"
    environment = os.environ | {"jqctl": command, "JQ_REDIS_URL": system.url, "PYTHONPATH": package_root()}
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60, **options)


def package_root() -> str:
    return str(Path(jqjobs.__file__).parents[1])


# status


def test_status_of_nothing_says_what_to_do(terminal: Terminal) -> None:
    assert terminal.run("status") == 0
    assert "jqd --app" in terminal.out
    assert terminal.json("status")["queues"] == []


def test_status_counts_queues_and_names_daemons(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q", "idle"]))
    system.add("a", "b")
    system.take("h:1:a")
    worker = {"daemon": "d1", "pid": 1, "state": "busy", "rss_bytes": 1000, "started_ms": 1,
              "jobs": '[{"id":"a","name":"n","queue":"q","attempt":1,"running_ms":5}]'}  # fmt: skip
    system.run(daemons.register("d1", 60_000, {"name": "web", "queues": "q", "workers": "h:1:a"}, {"h:1:a": worker}))
    answer = terminal.json("status")
    assert [(queue["name"], queue["ready"], queue["active"]) for queue in answer["queues"]] == [
        ("idle", 0, 0),
        ("q", 1, 1),
    ]
    assert answer["daemons"][0]["workers"][0]["jobs"][0]["id"] == "a"
    assert terminal.run("status") == 0
    assert "NOT SERVED" in terminal.out
    assert "n q/a (attempt 1" in terminal.out


def test_status_of_one_queue_leaves_the_others_out(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["a", "b", "c"]))
    serve(system, "b")
    answer = terminal.json("status", "--queue", "a", "--queue", "c")
    assert [queue["name"] for queue in answer["queues"]] == ["a", "c"]
    assert answer["daemons"] == []
    error = terminal.error("status", "--queue", "bb")
    assert (error["code"], error["hint"]) == ("not_found", "did you mean 'b'? known queues: a, b, c")
    assert terminal.code == Exit.NOT_FOUND


def test_a_queue_that_only_a_daemon_names_is_shown_and_can_be_asked_for(
    system: QueueSystem, terminal: Terminal
) -> None:
    serve(system, "new", "\x1b[31m")
    assert [queue["name"] for queue in terminal.json("status")["queues"]] == ["new"]
    assert terminal.run("queue", "pause", "new") == 0


def test_a_queue_that_only_has_an_inbox_can_be_asked_for(system: QueueSystem, terminal: Terminal) -> None:
    system.push("[]", queue="raw")
    assert terminal.json("status", "--queue", "raw")["queues"][0]["inbox"] == 1


@pytest.mark.parametrize(
    "command",
    [("status",), ("top", "--once"), ("ping",), ("daemon", "list"), ("daemon", "quiet", "--all"), ("doctor",)],
)
def test_a_redis_that_takes_no_writes_is_told_before_somebody_starts_a_second_daemon(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Daemons that run cannot say so where no write is taken."""
    told = "rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\n"
    infos = {("h", 1): info_fields(told)}
    monkeypatch.setattr(server_info, "read_infos", lambda *_: infos)
    terminal.run(*command)
    assert "is running" in (terminal.out + terminal.err).lower()
    infos["h", 2] = info_fields("min_slaves_good_slaves:0\r\n")
    terminal.run(*command)
    assert "is heard of: redis takes no writes, since it has too few replicas" in (terminal.out + terminal.err).lower()
    infos["h", 2] = info_fields(told.replace("ok", "err", 1))
    terminal.run(*command)
    assert "is heard of: redis cannot save to its disk" in (terminal.out + terminal.err).lower()


def test_one_damaged_queue_does_not_hide_the_others(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["bad", "good"]))
    assert terminal.run("status") == 0
    system.redis("SET", "jq:{bad}:ready", "x")
    answer = terminal.json("status")
    assert terminal.code == Exit.ERROR
    assert [set(queue) == {"name", "error"} for queue in answer["queues"]] == [True, False]
    message = json.loads(terminal.err)["error"]["message"]
    assert message.startswith("queue bad cannot be counted: jq:{bad}:ready is a string, not a zset")
    assert terminal.run("queue", "list") == Exit.ERROR
    assert "good" in terminal.out


# enqueue


def test_enqueue_answers_with_id_queue_and_created(system: QueueSystem, terminal: Terminal) -> None:
    serve(system, "emails")
    system.run(leases.publish("emails", 1000, {"send": {"priority": 7}}))
    words = ("enqueue", "send", "--queue", "emails", "--args", '[42, "x"]', "--kwargs", '{"a": []}', "--key", "k")
    answer = terminal.json(*words)
    assert (answer["queue"], answer["created"], answer["warning"], terminal.err) == ("emails", True, None, "")
    assert terminal.json(*words)["created"] is False
    assert system.ids("ready", "emails") == [answer["id"]]
    assert json.loads(system.job(answer["id"], "emails")["payload"]) == {
        "job": "send", "args": [42, "x"], "kwargs": {"a": []},
    }  # fmt: skip
    assert system.job(answer["id"], "emails")["priority"] == "7"
    assert [queue["name"] for queue in terminal.json("status")["queues"]] == ["emails"]


def test_job_enqueue_is_the_same_and_takes_every_option(system: QueueSystem, terminal: Terminal) -> None:
    words = ("--queue", "default", "--id", "mine", "--priority", "-3", "--delay", "10m", "--max-attempts", "9",
             "--max-crashes", "2", "--timeout", "90s", "--keep", "2h", "--tag", "a", "--group", "t:7")  # fmt: skip
    assert terminal.run("job", "enqueue", "send", *words) == 0
    assert terminal.out == "enqueued default/mine\n"
    job = system.job("mine", "default")
    assert (job["priority"], job["max_attempts"], job["max_crashes"]) == ("-3", "9", "2")
    assert (job["timeout"], job["keep"], job["tags"], job["fair"]) == ("90000", "7200000", "a", "=t:7")
    assert system.states("mine", "default") == ["scheduled"]
    assert terminal.run("enqueue", "send", "--queue", "default", "--id", "mine") == 0
    assert "there already" in terminal.out


def test_enqueue_at_a_moment_in_words_says_which_one_that_is(system: QueueSystem, terminal: Terminal) -> None:
    words = ("enqueue", "send", "--queue", "default")
    assert terminal.run(*words, "--id", "a", "--at", "2031-01-02 9am Europe/Paris") == 0
    due = datetime(2031, 1, 2, 8, tzinfo=UTC)
    assert terminal.out == f"enqueued default/a, due {due.astimezone():%A %Y-%m-%d %H:%M %Z}\n"
    assert system.score("scheduled", "a", "default") == due.timestamp() * 1000
    assert "may be" in terminal.error(*words, "--at", "01/02/2031 9am")["message"]
    assert terminal.run(*words, "--id", "b", "--delay", "2 days") == 0
    assert terminal.out == "enqueued default/b\n"


def test_enqueue_puts_a_job_off_as_it_was_registered(system: QueueSystem, terminal: Terminal) -> None:
    published = {"slow": {"delay_ms": 60_000}, "nightly": {"delay": "2031-01-02 3am UTC"}}
    system.store.run(upkeep.add_queues(["default"]))
    system.run(leases.publish("default", 30_000, published))
    terminal.json("enqueue", "nightly", "--id", "a")
    terminal.json("enqueue", "slow", "--id", "b")
    terminal.json("enqueue", "slow", "--id", "c", "--delay", "0")
    assert system.ids("scheduled", "default") == ["b", "a"]
    assert system.ids("ready", "default") == ["c"]


def test_enqueue_coalesces_as_it_is_told_else_as_the_job_was_registered(
    system: QueueSystem, terminal: Terminal
) -> None:
    system.store.run(upkeep.add_queues(["default"]))
    system.run(leases.publish("default", 30_000, {"index": {"coalesce": "queued", "replace": True}}))
    assert terminal.json("enqueue", "index", "--key", "k", "--args", "[1]", "--id", "first")["created"]
    answer = terminal.json("enqueue", "index", "--key", "k", "--args", "[2]")
    assert (answer["id"], answer["created"], answer["replaced"]) == ("first", False, True)
    assert system.job("first", "default")["payload"] == '{"job": "index", "args": [2]}'
    assert system.job("first", "default")["coalesce"] == "queued"
    assert terminal.run("enqueue", "index", "--key", "k", "--coalesce", "stored", "--replace") == 0
    assert terminal.out == "replaced default/first\n"
    assert system.job("first", "default")["coalesce"] == "stored"
    assert terminal.error("enqueue", "index", "--replace")["code"] == "invalid_option"
    assert terminal.code == Exit.USAGE
    assert terminal.run("enqueue", "index", "--key", "k", "--coalesce", "always") == Exit.USAGE


def test_enqueue_warns_when_nobody_will_run_the_job(system: QueueSystem, terminal: Terminal) -> None:
    words = ("enqueue", "send", "--queue", "default")
    assert "no daemon serves queue default" in terminal.json(*words)["warning"]
    assert terminal.err.startswith("jqctl: warning: no daemon serves queue default")
    serve(system, "default")
    assert "has offered a job named send" in terminal.json(*words)["warning"]
    system.run(leases.publish("default", 1000, {"send": {}}))
    assert terminal.json(*words)["warning"] is None


def test_a_full_redis_refuses_by_name(start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]) -> None:
    server = start_server("valkey", "--maxmemory", "1")
    terminal = Terminal(server.url, capsys)
    assert terminal.error("enqueue", "send", "--queue", "q")["code"] == "full"
    assert terminal.code == Exit.ERROR
    assert terminal.run("status") == 0


# job show, job list


@pytest.mark.parametrize("reference", ["a", "q/a"])
def test_of_a_job_that_succeeded_and_is_gone_that_much_is_said(
    system: QueueSystem, terminal: Terminal, reference: str
) -> None:
    system.add("a")
    system.redis("SADD", "jq:{~}:queues", "q")
    system.round(Kind.DONE)

    error = terminal.error("job", "show", reference)
    assert (error["code"], error["message"]) == ("not_found", "job q/a has succeeded, and nothing of it is kept")
    assert "never was" in terminal.error("job", "show", "q/never")["message"]


def test_job_show_has_the_keys_that_outside_tools_rely_on(system: QueueSystem, terminal: Terminal) -> None:
    kill_jobs(system, "a")
    job = terminal.json("job", "show", "a")["job"]
    assert set(job) >= {
        "id", "queue", "name", "state", "args", "kwargs", "priority", "attempt", "executions", "failures", "crashes",
        "interrupts", "throttles", "max_attempts", "enqueued_ms", "due_ms", "started_ms", "deadline_ms", "finished_ms",
        "worker",
        "error", "result", "progress", "key", "history",
    }  # fmt: skip
    assert job["history"] == [json.loads(BOOM) | {"error_class": None}]
    assert (job["state"], job["reason"], job["executions"], job["max_attempts"]) == ("dead", "discarded", 1, 10)
    assert terminal.run("job", "show", "q/a") == 0
    assert "DEAD (discarded)" in terminal.out
    assert "  boom\n" in terminal.out


def test_a_jobs_limit_comes_from_the_catalog_when_it_has_none_of_its_own(
    system: QueueSystem, terminal: Terminal
) -> None:
    system.add("a")
    system.add("own", fields=("max_attempts", 5))
    system.run(leases.publish("q", 1000, {"n": {"max_attempts": 8}}))
    assert terminal.json("job", "show", "q/a")["job"]["max_attempts"] == 8
    assert terminal.json("job", "show", "q/own")["job"]["max_attempts"] == 5


def test_a_ready_job_is_shown_with_why_nobody_takes_it(system: QueueSystem, terminal: Terminal) -> None:
    serve(system, "q")
    system.add("a")
    terminal.run("queue", "pause", "q", "--reason", "deploy")
    terminal.run("job", "show", "q/a")
    assert re.search(r'^  waits +the queue is paused, by \S+, "deploy" \(jqctl queue resume q\)$', terminal.out, re.M)


def test_a_job_that_is_not_there_is_not_found(system: QueueSystem, terminal: Terminal) -> None:
    for reference in ("nope", "q/nope"):
        assert terminal.error("job", "show", reference)["code"] == "not_found"
        assert terminal.code == Exit.NOT_FOUND


def test_an_id_in_two_queues_must_be_named_with_one(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q", "r"]))
    system.add("a")
    system.add("a", queue="r")
    error = terminal.error("job", "show", "a")
    assert (terminal.code, error["code"]) == (Exit.CONFLICT, "conflict")
    assert "q/a, r/a" in error["hint"]
    assert terminal.json("job", "show", "r/a")["job"]["queue"] == "r"


def test_nothing_a_job_holds_reaches_the_terminal_raw(system: QueueSystem, terminal: Terminal) -> None:
    evil = "\x1b]0;x\x07\u202e"
    payload = json.dumps({"args": [evil], "kwargs": {evil: 1}}).encode()
    system.store.run(upkeep.add_queues(["q"]))
    system.add("a", payload=payload, key=evil)
    system.add("b", payload=b"\x1b[31m\xff")
    system.redis("HSET", "jq:{q}:job:a", "error", evil, "name", evil)
    line = {"error": evil, "traceback": f"{evil}\n{evil}", "reason": evil}
    system.redis("RPUSH", "jq:{q}:job:a:history", json.dumps(line))
    system.push(evil)
    serve(system, "q", evil, name=evil, note=evil, state=evil, host=evil, version=evil)
    listing = ("job", "list", "--queue", "q", "--state")
    for words in (
        ("status",),
        ("job", "show", "q/a"),
        ("job", "show", "q/b"),
        (*listing, "ready"),
        (*listing, "inbox"),
    ):
        for as_json in ((), ("--json",)):
            assert terminal.run(*words, *as_json) == 0
            assert not set(terminal.out) & {"\x1b", "\x07", "\u202e"}
            assert "x1b" in terminal.out or "u001b" in terminal.out


def test_job_list_pages_by_cursor(system: QueueSystem, terminal: Terminal) -> None:
    kill_jobs(system, *"abc")
    words = ("job", "list", "--queue", "q", "--state", "dead", "--limit", "2")
    first = terminal.json(*words)
    second = terminal.json(*words, "--cursor", first["cursor"])
    assert sorted(job["id"] for job in first["jobs"] + second["jobs"]) == ["a", "b", "c"]
    assert (first["total"], second["cursor"]) == (3, None)
    assert first["jobs"][0]["error"] == "boom"
    assert terminal.run(*words) == 0
    assert f"--cursor {first['cursor']}" in terminal.out


@pytest.mark.parametrize(
    "state", ["ready", "scheduled", "active", "held", "waiting", "parked", "kept", "dead", "inbox", "rejected"]
)
def test_every_state_can_be_listed_also_when_empty(state: str, system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    words = ("job", "list", "--queue", "q", "--state", state)
    assert terminal.json(*words) == {"jobs": [], "cursor": None, "searched": 0, "total": 0}
    assert terminal.run(*words) == 0
    assert terminal.out.startswith("no ")


def test_raw_envelopes_are_listed_with_their_bytes_and_reason(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.push("[]")
    system.run(enqueueing.ingest("q", "nonce"))
    system.push('{"job":"x"}')
    [refused] = terminal.json("job", "list", "--queue", "q", "--state", "rejected")["jobs"]
    assert (refused["id"], refused["text"], refused["size_bytes"]) == (None, "[]", 2)
    assert refused["reason"].startswith("not_object")
    [waiting] = terminal.json("job", "list", "--queue", "q", "--state", "inbox")["jobs"]
    assert waiting["text"] == '{"job":"x"}'


def test_what_is_parked_for_its_arguments_says_why_in_status_list_and_show(
    system: QueueSystem, terminal: Terminal
) -> None:
    system.run(upkeep.add_queues(["q"]))
    system.add("skewed")
    system.round(Kind.MISFIT, 60_000, text="f(a): got an unexpected keyword argument 'b'")
    for words in (("job", "list", "--queue", "q", "--state", "parked"), ("job", "show", "q/skewed")):
        assert terminal.run(*words) == 0
        assert "f(a): got an unexpected keyword argument 'b'" in terminal.out
    assert terminal.run("status") == 0
    assert "1 PARKED: their arguments fit no live worker's function" in terminal.out


def test_listing_an_unknown_queue_names_the_known_ones(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["emails"]))
    error = terminal.error("job", "list", "--queue", "email", "--state", "dead")
    assert (terminal.code, error["hint"]) == (Exit.NOT_FOUND, "did you mean 'emails'? known queues: emails")


@pytest.mark.parametrize("command", ["show", "retry", "cancel"])
def test_a_job_of_an_unknown_queue_is_told_which_queue_is_meant(
    system: QueueSystem, terminal: Terminal, command: str
) -> None:
    system.store.run(upkeep.add_queues(["emails"]))
    error = terminal.error("job", command, "email/a")
    assert (terminal.code, error["hint"]) == (
        Exit.NOT_FOUND, "there is no queue 'email': did you mean 'emails'? known queues: emails",
    )  # fmt: skip


@pytest.mark.parametrize("act", [("cancel",), ("delete", "--yes"), ("promote",), ("retry",)])
def test_whoever_acts_on_a_job_that_has_succeeded_is_told_so(
    system: QueueSystem, terminal: Terminal, act: tuple[str, ...]
) -> None:
    system.add("a")
    system.round(Kind.DONE)
    error = terminal.error("job", act[0], "q/a", *act[1:])
    assert (terminal.code, error["message"]) == (
        Exit.NOT_FOUND, "job q/a has succeeded, and nothing of it is kept",
    )  # fmt: skip
    assert "asked to be kept" in error["hint"]


# job delete, job promote


def test_deleted_jobs_are_gone_and_those_in_hand_are_refused(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add("running", "a", "b")
    system.take("w")
    answer = terminal.json("job", "delete", "--yes", "q/a", "b", "running", "ghost")
    assert (answer["deleted"], answer["deleted_count"]) == (["q/a", "q/b"], 2)
    assert [(each["job"], each["code"]) for each in answer["refused"]] == [
        ("running", "conflict"), ("ghost", "not_found"),
    ]  # fmt: skip
    assert terminal.code == Exit.CONFLICT
    assert system.ids("ready") == []
    assert terminal.run("job", "delete", "running", "--yes") == Exit.CONFLICT
    assert "jqctl job cancel q/running" in terminal.err


def test_where_nobody_can_be_asked_nothing_is_deleted(system: QueueSystem, terminal: Terminal) -> None:
    system.add("a")
    assert terminal.run("job", "delete", "q/a") == Exit.USAGE
    assert "--yes" in terminal.err
    assert system.ids("ready") == ["a"]


def test_promoted_jobs_are_ready(system: QueueSystem, terminal: Terminal) -> None:
    system.add("a", due="+60000")
    system.add("b")
    assert terminal.json("job", "promote", "q/a")["promoted"] == ["q/a"]
    assert system.ids("ready") == ["b", "a"]
    assert terminal.error("job", "promote", "q/b")["message"] == "q/b is ready, not scheduled"
    assert terminal.code == Exit.CONFLICT


# job retry


def test_named_jobs_go_back_and_the_others_say_why_not(system: QueueSystem, terminal: Terminal) -> None:
    kill_jobs(system, "a", "b", "c")
    system.add("alive")
    assert terminal.run("job", "retry", "a", "q/b") == 0
    assert terminal.out == "q/a is ready again\nq/b is ready again\n"
    assert system.ids("dead") == ["c"]
    answer = terminal.json("job", "retry", "alive")
    assert (terminal.code, answer["retried"], answer["refused"][0]["code"]) == (Exit.CONFLICT, [], "conflict")
    assert "is ready, not dead" in terminal.err
    answer = terminal.json("job", "retry", "q/nope", "c")
    assert (terminal.code, answer["retried"], answer["refused_count"]) == (Exit.NOT_FOUND, ["q/c"], 1)


def test_a_job_whose_key_was_taken_is_refused(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add("old", key="k")
    system.round(Kind.DISCARDED)
    system.add("new", key="k")
    assert terminal.run("job", "retry", "old") == Exit.CONFLICT
    assert "belongs to a newer job" in terminal.err
    assert terminal.json("job", "retry", "--queue", "q", "--all-dead") == {
        "queue": "q", "retried_count": 0, "refused_count": 1, "cancelled_count": 0,
        "matched": 1, "done": 0, "left": 0, "cursor": None,
    }  # fmt: skip
    assert terminal.code == Exit.CONFLICT


def test_all_dead_jobs_go_back_page_by_page(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jqjobs.store.bulk.CHUNK", 3)
    system.store.run(upkeep.add_queues(["q"]))
    system.add("old", key="k")
    system.round(Kind.DISCARDED)
    system.add("new", key="k")
    system.take()
    kill_jobs(system, *(f"d{n}" for n in range(10)))
    answer = terminal.json("job", "retry", "--queue", "q", "--all-dead")
    assert (answer["retried_count"], answer["refused_count"]) == (10, 1)
    assert system.ids("dead") == ["old"]


@pytest.mark.parametrize(("answer", "left"), [("n", ["a", "b"]), ("y", [])])
def test_on_a_terminal_it_is_asked_whether_all_dead_jobs_shall_go_back(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, answer: str, left: list[str]
) -> None:
    kill_jobs(system, *"ab")
    terminal.answers(monkeypatch, answer)
    terminal.run("job", "retry", "--queue", "q", "--all-dead")
    assert terminal.asked == ["Retry 2 jobs of queue q?"]
    assert system.ids("dead") == left


def test_retrying_all_ends_although_jobs_die_again_at_once(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jqjobs.store.bulk.CHUNK", 2)
    kill_jobs(system, *"abcde")
    send_back = upkeep.retry

    def and_die(queue: str, ids: Any) -> Any:
        for job in system.take(want=9):
            system.settle("w", job, Kind.DISCARDED)
        return send_back(queue, ids)

    monkeypatch.setattr(upkeep, "retry", and_die)
    assert terminal.json("job", "retry", "--queue", "q", "--all-dead")["retried_count"] == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_retry_says_how_far_it_got(
    system: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("jqjobs.store.bulk.CHUNK", 2)
    kill_jobs(system, *"abc")
    send_back = upkeep.retry

    def once(queue: str, ids: Any) -> Any:
        monkeypatch.setattr(upkeep, "retry", interrupted)
        return send_back(queue, ids)

    def interrupted(*_: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(upkeep, "retry", once)
    assert terminal.run("job", "retry", "--queue", "q", "--all-dead") == Exit.INTERRUPTED
    assert "stopped early: 2 of 2 dead jobs sent back; --cursor " in terminal.err
    cursor = terminal.err.split("--cursor ")[1].split()[0]
    monkeypatch.setattr(upkeep, "retry", send_back)
    assert terminal.json("job", "retry", "--queue", "q", "--all-dead", "--cursor", cursor)["done"] == 1


# queue


def test_a_queue_is_paused_and_resumed_once(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    paused = terminal.json("queue", "pause", "q")
    assert paused == {"queue": "q", "paused": True, "changed": True, "until_ms": None, "by": who(), "reason": None}
    assert terminal.json("queue", "pause", "q")["changed"] is False
    assert terminal.json("queue", "list")["queues"][0]["paused"] is True
    assert terminal.run("status") == 0
    assert "PAUSED" in terminal.out
    assert terminal.json("queue", "resume", "q") == {"queue": "q", "paused": False, "changed": True}
    assert terminal.run("queue", "resume", "q") == 0
    assert terminal.out == "queue q: not paused already\n"


def test_a_pause_is_told_with_its_end_and_reason(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    terminal.run("queue", "pause", "q", "--until", "in 2h", "--reason", "the provider is down", "--by", "ann")
    said = terminal.out
    [queue] = terminal.json("queue", "list")["queues"]
    assert queue["paused_until_ms"] == queue["paused_ms"] + 7_200_000
    assert (queue["paused_by"], queue["paused_reason"]) == ("ann", "the provider is down")
    told = f'until {moment(queue["paused_until_ms"])}, by ann, "the provider is down"'
    assert said == f"queue q: paused, {told}\n"
    terminal.run("status")
    assert f"{told}: no job is taken" in " ".join(terminal.out.split())


@pytest.mark.parametrize("until", ["now", "0", "yesterday 9am", "soonish"])
def test_an_end_of_a_pause_that_is_no_moment_to_come_is_refused(terminal: Terminal, until: str) -> None:
    assert terminal.run("queue", "pause", "q", "--until", until) == Exit.USAGE


def test_pausing_a_mistyped_queue_is_not_found_and_changes_nothing(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["emails"]))
    assert terminal.run("queue", "pause", "email") == Exit.NOT_FOUND
    assert system.redis("KEYS", "jq:{email}:*") == []


# Credentials and other servers


def test_wrong_credentials_are_named(start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]) -> None:
    server = start_server("valkey", tcp=True)
    server.call("CONFIG", "SET", "requirepass", "right")
    place = server.url.removeprefix("redis://")
    for url in (server.url, f"redis://:wrong@{place}", f"redis://nobody:wrong@{place}"):
        error = Terminal(url, capsys).error("status")
        assert error["code"] == "refused"
        assert "wrong" not in error["message"].lower().replace("wrongpass", "")
    assert Terminal(f"redis://:right@{place}", capsys).run("status") == 0


def test_a_registry_of_another_type_is_an_error_line(system: QueueSystem, terminal: Terminal) -> None:
    system.redis("SET", "jq:{~}:daemons", "x")
    assert terminal.run("status") == Exit.ERROR
    assert terminal.err.startswith("jqctl: WRONGTYPE")
    assert "(jq:{~}:daemons is a string, not a zset: " in terminal.err


# As a process


def test_a_reader_that_leaves_early_causes_no_noise(system: QueueSystem) -> None:
    system.store.run(upkeep.add_queues([f"queue{n}" for n in range(3000)]))
    done = in_shell(system, "set -o pipefail; $jqctl status -o wide | head -n 1")
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (1, "", Exit.READER_GONE)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_streams_and_a_full_disk_cause_no_traceback(system: QueueSystem, unbuffered: str) -> None:
    assert in_shell(system, "$jqctl status >&-").returncode == 0
    assert in_shell(system, "$jqctl status --queue x >&- 2>&-").returncode == Exit.NOT_FOUND
    if os.path.exists("/dev/full"):
        done = in_shell(system, f"PYTHONUNBUFFERED={unbuffered} $jqctl status >/dev/full")
        assert done.returncode == Exit.ERROR
        assert done.stderr.startswith("jqctl: ")
        assert "Traceback" not in done.stderr


def test_a_closed_stdin_says_nothing_and_one_that_is_not_text_is_refused(system: QueueSystem) -> None:
    assert in_shell(system, "$jqctl job import <&-").stdout == "no jobs imported\n"
    assert in_shell(system, "$jqctl web passwd ann <&-").stderr == "jqctl: the password is empty\n"
    assert in_shell(system, "printf '\\377\\n' | $jqctl web passwd ann").stderr == "jqctl: the password is not UTF-8\n"


def test_a_working_directory_that_is_gone_causes_no_traceback(system: QueueSystem, tmp_path: Path) -> None:
    done = in_shell(system, f"mkdir {tmp_path}/x && cd {tmp_path}/x && rmdir ../x && $jqctl status")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, Exit.ERROR)


def test_status_is_quick_as_a_whole_process(system: QueueSystem, tmp_path: Path) -> None:
    """0.3 s on a quiet machine; here in multiples of what importing click costs, which load slows down alike."""
    system.store.run(upkeep.add_queues([f"queue{n}" for n in range(20)]))
    serve(system, "queue1")
    environment = os.environ | {"JQ_REDIS_URL": system.url, "PYTHONPATH": package_root()}
    # As installed: with byte code beside the source.
    environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}

    def seconds(*words: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    code = "import jqjobs.cli.jqctl as jqctl; jqctl.main()"
    seconds("-c", code, "status")
    pairs = [(seconds("-c", code, "status"), seconds("-c", "import click")) for _ in range(7)]
    assert statistics.median(status / start for status, start in pairs) < 4
    assert min(status for status, _ in pairs) < 1.0


# cancel


def test_named_jobs_are_cancelled_and_each_says_how(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add("runs", "waits", "later")
    system.take("w")
    assert terminal.run("job", "cancel", "waits", "q/runs") == 0
    assert terminal.out == "q/waits is cancelled\nq/runs is being cancelled: a worker holds it\n"
    assert (system.states("waits"), system.job("waits")["reason"]) == (["dead"], "cancelled")
    assert system.states("runs") == ["active:w"]
    assert terminal.json("job", "cancel", "later") == {"cancelled": ["q/later"], "cancelling": [], "refused": []}
    assert terminal.code == 0


def test_cancelling_what_is_over_or_not_there_says_so(system: QueueSystem, terminal: Terminal) -> None:
    kill_jobs(system, "dead")
    assert terminal.run("job", "cancel", "dead") == Exit.CONFLICT
    assert "q/dead is over already" in terminal.err
    answer = terminal.json("job", "cancel", "q/nope")
    assert (terminal.code, answer["refused"][0]["code"]) == (Exit.NOT_FOUND, "not_found")
    assert terminal.run("job", "cancel", "a b") == Exit.USAGE


def test_all_jobs_of_a_state_are_cancelled_and_no_others(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add(*[f"r{n:03}" for n in range(250)])
    system.add("later", due="+100000")
    words = ("job", "cancel", "--queue", "q", "--state", "ready")
    assert terminal.json(*words, "--all", "--yes") == {
        "queue": "q", "state": "ready", "cancelled_count": 250, "cancelling_count": 0,
        "matched": 250, "done": 250, "left": 0, "cursor": None,
    }  # fmt: skip
    assert (system.ids("ready"), len(system.ids("dead")), system.ids("scheduled")) == ([], 250, ["later"])
    assert terminal.run(*words, "--all", "--yes") == 0
    assert terminal.out == "queue q, ready: nothing to cancel\n"


def test_all_that_workers_hold_is_cancelled_in_pages(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add(*[f"a{n:03}" for n in range(230)])
    system.take("w", 150)
    system.take("w2", 80)
    assert terminal.run("job", "cancel", "--queue", "q", "--state", "active", "--all", "--yes") == 0
    assert terminal.out == "queue q, active: 0 of 230 jobs cancelled, 230 being cancelled by their workers\n"
    assert len(system.ids("cancels")) == 230


@pytest.mark.parametrize(
    "words", [(), ("--all",), ("--queue", "q", "--all"), ("--queue", "q", "--state", "ready"), ("a", "--all"),
              ("--queue", "q", "--state", "dead", "--all"), ("a", "--name", "n"),
              ("--queue", "q", "--state", "ready", "--name", "n", "--all")],
)  # fmt: skip
def test_cancel_wants_ids_or_a_queue_a_state_and_the_word_all(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run("job", "cancel", *words) == Exit.USAGE


def test_retrying_all_dead_jobs_leaves_cancelled_ones_out(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add(*[f"c{n:03}" for n in range(120)])
    terminal.run("job", "cancel", "--queue", "q", "--state", "ready", "--all", "--yes")
    kill_jobs(system, "failed")
    assert terminal.run("job", "retry", "--queue", "q", "--all-dead") == 0
    assert terminal.out == "queue q: 1 of 121 dead jobs sent back, 120 cancelled ones left out\n"
    assert system.ids("ready") == ["failed"]
    assert terminal.run("job", "retry", "c000") == 0
    assert system.ids("ready") == ["failed", "c000"]


# resolve


def await_answer(system: QueueSystem, job_id: str, **job: Any) -> None:
    """Have a job wait for an hour."""
    system.store.run(upkeep.add_queues(["q"]))
    system.add(job_id, **job)
    [held] = system.take("w")
    system.settle("w", held, Kind.WAITING, 3_600_000, text="0", line=b"")


def test_a_job_that_waits_is_shown_with_its_deadline_and_listed(system: QueueSystem, terminal: Terminal) -> None:
    await_answer(system, "a")
    shown = terminal.json("job", "show", "a")["job"]
    assert (shown["state"], shown["deadline_ms"]) == ("waiting", int(system.score("waiting", "a") or 0))
    assert terminal.run("job", "show", "a") == 0
    assert "answer by" in terminal.out
    assert [job["id"] for job in terminal.json("job", "list", "--queue", "q", "--state", "waiting")["jobs"]] == ["a"]
    assert terminal.json("status")["queues"][0]["waiting"] == 1


def test_a_job_is_answered_with_a_result_or_an_error(system: QueueSystem, terminal: Terminal) -> None:
    await_answer(system, "a", fields=("keep", 60_000))
    assert terminal.run("job", "resolve", "a", "--result", '{"url": "é", "n": []}') == 0
    assert terminal.out == "q/a is answered\n"
    assert system.job("a")["result"].encode("latin-1").decode() == '{"url": "é", "n": []}'
    await_answer(system, "b", fields=("max_attempts", 1))
    assert terminal.json("job", "resolve", "q/b", "--error", "no codec") == {"job": "q/b", "answer": "resolved"}
    assert (system.states("b"), system.job("b")["error"]) == (["dead"], "no codec")


def test_an_answer_that_comes_early_is_kept_and_said_to_be(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add("a")
    system.take("w")
    system.run(expect("q", "w", "a", 1, "secret"))
    assert terminal.run("job", "resolve", "a") == Exit.CONFLICT
    assert "q/a is active, not waiting" in terminal.err
    assert "with the token" in terminal.err
    assert terminal.run("job", "resolve", "a", "--token", "guess") == Exit.CONFLICT
    assert terminal.run("job", "resolve", "a", "--token", "secret") == 0
    assert "still runs" in terminal.out
    assert terminal.run("job", "resolve", "a", "--token", "secret") == Exit.CONFLICT
    assert "has its answer already" in terminal.err


def test_answers_that_make_no_sense_are_refused_before_redis_is_asked(system: QueueSystem, terminal: Terminal) -> None:
    assert terminal.run("job", "resolve", "a", "--result", "1", "--error", "x") == Exit.USAGE
    assert terminal.run("job", "resolve", "a", "--result", "{") == Exit.USAGE
    assert terminal.run("job", "resolve", "a", "--result", "NaN") == Exit.USAGE
    assert terminal.run("job", "resolve", "a", "--result", '"' + "x" * 2**20 + '"') == Exit.USAGE
    assert terminal.run("job", "resolve", "q/ghost") == Exit.NOT_FOUND


def test_a_suspect_is_shown_as_one_and_listed(system: QueueSystem, terminal: Terminal) -> None:
    system.store.run(upkeep.add_queues(["q"]))
    system.add("a", "b")
    system.take(want=2)
    board = [BoardEntry("a", 1, "suspect 1 1"), BoardEntry("b", 1, "suspect 4 2")]
    system.run(leases.leave("q", "w", "its worker was killed", board))
    assert [row["id"] for row in terminal.json("job", "list", "--queue", "q", "--state", "suspects")["jobs"]] == [
        "a",
        "b",
    ]
    terminal.run("job", "show", "q/a")
    assert "the only suspect of its worker" in terminal.out
    terminal.run("job", "show", "q/b")
    assert "beside 3 other suspects of its daemon" in terminal.out
    terminal.run("status")
    assert "2 may have killed a worker or a daemon" in terminal.out


def test_what_holds_a_job_is_said_wherever_it_is_shown(system: QueueSystem, terminal: Terminal) -> None:
    system.add_limited("starts", "a", "b", limits="r 1 3600000 reports:7/1h")
    system.take("w")
    system.take("v", 5)

    found = terminal.json("status", "--queue", "q")["queues"][0]
    assert (found["held"], found["scheduled"]) == (2, 0)
    assert terminal.json("job", "show", "q/a")["job"]["held_by"] == "reports:7/1h"
    rows = terminal.json("job", "list", "--queue", "q", "--state", "held")["jobs"]
    assert [(row["id"], row["held_by"]) for row in rows] == [("a", "reports:7/1h"), ("b", "reports:7/1h")]
    terminal.run("status", "--queue", "q")
    assert "HELD" in terminal.out
    terminal.run("job", "show", "q/a")
    assert "HELD" in terminal.out
    assert "held by     reports:7/1h" in terminal.out
    terminal.run("job", "list", "--queue", "q", "--state", "held")
    assert "held by reports:7/1h" in terminal.out


def test_a_held_job_is_cancelled_at_once_and_its_limit_lets_the_next_one_go(
    system: QueueSystem, terminal: Terminal
) -> None:
    system.add_limited("starts", "a", "b", limits="c 1 0 db/running")
    [job] = system.take("w")
    system.take("v", 5)

    assert terminal.run("job", "cancel", "q/a") == Exit.OK
    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "cancelled")
    system.settle("w", job)
    assert system.states("b") == ["ready"]


# job move


def test_jobs_are_moved_and_found_where_they_are(system: QueueSystem, terminal: Terminal) -> None:
    kill_jobs(system, "a", "b")
    answer = terminal.json("job", "move", "q/a", "b", "q/ghost", "--to", "later")
    assert (terminal.code, answer["moved"], answer["to"]) == (Exit.NOT_FOUND, ["later/a", "later/b"], "later")
    assert [each["code"] for each in answer["refused"]] == ["not_found"]
    assert system.ids("dead", "later") == ["a", "b"]
    for reference in ("a", "q/a", "later/a"):
        job = terminal.json("job", "show", reference)["job"]
        assert (job["queue"], job["state"], len(job["history"])) == ("later", "dead", 1)


@pytest.mark.parametrize("reference", ["q/a", "a"])
@pytest.mark.parametrize("verb", ["retry", "cancel", "delete", "promote", "move"])
def test_each_verb_finds_a_job_where_it_was_moved(
    system: QueueSystem, terminal: Terminal, verb: str, reference: str
) -> None:
    if verb in ("retry", "delete"):
        kill_jobs(system, "a")
    else:
        system.add("a", due="+5000")
    terminal.json("job", "move", "q/a", "--to", "later")
    more = {"delete": ["--yes"], "move": ["--to", "third"]}.get(verb, [])
    answer = terminal.json("job", verb, reference, *more)
    assert terminal.code == Exit.OK
    done = {"cancel": "cancelled", "retry": "retried", "move": "moved"}.get(verb, f"{verb.rstrip('e')}ed")
    assert answer[done] == ["third/a" if verb == "move" else "later/a"]


def test_a_job_that_cannot_be_moved_stays_and_says_why(system: QueueSystem, terminal: Terminal) -> None:
    system.add("a", "b", "runs", queue="q")
    system.store.run(upkeep.add_queues(["q"]))
    system.add("b", queue="later")
    system.redis("ZADD", system.key("ready"), -1, "runs")
    system.take("w")
    for job, why in (("q/b", "has a job b already"), ("q/runs", "a worker has it in hand")):
        assert terminal.run("job", "move", job, "--to", "later") == Exit.CONFLICT
        assert why in terminal.err
    assert terminal.run("job", "move", "q/a", "--to", "q") == Exit.USAGE
    assert terminal.run("job", "move", "q/a", "--to", "a:b") == Exit.USAGE
    assert system.ids("ready") == ["a", "b"]
