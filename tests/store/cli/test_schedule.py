"""jqctl schedule …: what it shows and does, on a real server."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from jqjobs.cli import jqctl
from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.records import Kind
from jqjobs.operations import schedules
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.schedules import Planned, plan, tick
from store.queue_system import LEASE_MS, QueueSystem

SECOND_MS = 1000


class Shell:
    """Runs jqctl in this process."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._capsys = url, capsys
        self.code, self.out, self.err = 0, "", ""

    def run(self, words: str) -> int:
        self.code = jqctl.run(["--redis", self._url, "schedule", *words.split()])
        self.out, self.err = self._capsys.readouterr()
        return self.code

    def json(self, words: str) -> dict[str, Any]:
        self.run(f"{words} --json")
        answer: dict[str, Any] = json.loads(self.out)
        assert answer.pop("v") == 1
        return answer


@pytest.fixture
def shell(system: QueueSystem, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(system.url, capsys)


def publish(
    system: QueueSystem, name: str = "nightly", queue: str = "reports", app: str = "shop:app", **changes: Any
) -> None:  # fmt: skip
    base = {"job": "report", "payload": '{"args":[1]}', "priority": 2, "fields": [], "overlap": True,
            "cron": "0 3 * * *", "tz": "Europe/Paris", "missed": "latest", "catch_up_ms": 1}  # fmt: skip
    system.run(upkeep.add_queues([queue]))
    system.run(plan(queue, LEASE_MS, app, {name: json.dumps({**base, **changes})}))


def listed(shell: Shell, words: str = "list") -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in shell.json(words)["schedules"]}


def now_ms(system: QueueSystem) -> int:
    seconds, _ = system.redis("TIME")
    return int(seconds) * 1000


def test_without_schedules_it_says_how_to_get_one(shell: Shell) -> None:
    assert shell.run("list") == Exit.OK
    assert "@app.periodic" in shell.out
    assert shell.json("list") == {"schedules": []}


def test_the_next_ticks_are_foreseen_whether_it_is_paused_or_not(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    publish(system, "poll", "mails", cron="", every_ms=30_000)
    [first, second, *_] = ticks = shell.json("next nightly -n 400")["next_ms"]
    assert (len(ticks), first) == (400, listed(shell)["nightly"]["next_ms"])
    assert {later - tick for tick, later in pairwise(ticks)} == {n * 3_600_000 for n in (23, 24, 25)}
    shell.run("pause nightly")
    assert shell.json("next reports/nightly -n 2")["next_ms"] == [first, second]
    shell.run("next nightly -n 1")
    assert re.fullmatch(r"\S+ 0[12]:00:00Z  \w{3} 03:00:00 CES?T\n", shell.out)
    assert len(shell.json("next poll")["next_ms"]) == 5


def test_of_a_schedule_that_cannot_be_read_no_tick_is_foreseen(system: QueueSystem, shell: Shell) -> None:
    publish(system, cron="never")
    assert shell.run("next nightly") == Exit.CONFLICT
    assert "cannot be read" in shell.err
    assert shell.run("next ghost") == Exit.NOT_FOUND


def test_a_schedule_that_is_misspelt_is_told_which_one_it_is_like(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    assert shell.run("pause reports/nigthly") == Exit.NOT_FOUND
    assert "there is no schedule reports/nigthly (did you mean 'nightly'? see jqctl schedule list" in shell.err


def test_a_schedule_of_two_apps_is_listed_with_both_and_what_to_do(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    publish(system, app="blog:app")
    assert listed(shell)["nightly"]["apps"] == ["blog:app", "shop:app"]
    shell.run("list")

    assert "reports/nightly is a schedule of 2 apps, blog:app and shop:app: each tick runs in one of them" in shell.out
    assert "JQ_PREFIX" in shell.out


def test_a_schedule_is_listed_with_its_next_time(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    publish(system, "poll", "mails", cron="", every_ms=30_000, overlap=False)
    found = listed(shell)

    nightly, poll = found["nightly"], found["poll"]
    assert 0 < nightly.pop("next_ms") - now_ms(system) <= 25 * 3_600_000
    assert nightly == {
        "name": "nightly", "queue": "reports", "job": "report", "cron": "0 3 * * *", "tz": "Europe/Paris",
        "every_s": None, "missed": "latest", "overlap": True, "paused": False, "offered": True, "apps": ["shop:app"],
        "last_tick_ms": None,
        "last_job": None, "last_run": None, "broken": None, "added": False, "until_ms": None,
    }  # fmt: skip
    assert (poll["every_s"], poll["cron"], poll["tz"], poll["overlap"]) == (30, None, None, False)
    assert poll["next_ms"] % 30_000 == 0
    assert list(listed(shell, "list --queue mails")) == ["poll"]
    shell.run("list")
    assert "0 3 * * * Europe/Paris" in shell.out
    assert "every 30s" in shell.out
    assert len(shell.out.splitlines()) == 3


def run_once(system: QueueSystem, name: str = "nightly") -> str:
    """Tick a schedule at this second, as a daemon would; return the id of its job."""
    since, at = system.redis("HGET", "jq:{reports}:ticks", name).split()[0], now_ms(system)
    assert system.run(tick("reports", name, int(since), at, [at])).made == 1
    return f"{name}-{at}"


@pytest.mark.parametrize(
    ("kind", "outcome"), [(Kind.DONE, "succeeded"), (Kind.KEPT, "succeeded"), (Kind.DISCARDED, "discarded")]
)
def test_what_came_of_the_last_tick_is_told(system: QueueSystem, shell: Shell, kind: Kind, outcome: str) -> None:
    publish(system)
    job_id = run_once(system)
    first = listed(shell)["nightly"]
    assert (first["last_run"], first["last_job"]) == ("ready", job_id)
    assert job_id == f"nightly-{first['last_tick_ms']}"
    [job] = system.take(queues=("reports",))
    system.settle("w", job, kind, 60_000)

    assert listed(shell)["nightly"]["last_run"] == outcome
    shell.run("list")
    assert outcome in shell.out


def test_pause_and_resume_say_what_they_changed(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    assert shell.run("pause nightly") == Exit.OK
    assert shell.out == "schedule reports/nightly: paused\n"
    assert shell.json("pause reports/nightly") == {
        "schedule": "nightly", "queue": "reports", "paused": True, "changed": False,
    }  # fmt: skip
    entry = listed(shell)["nightly"]
    assert (entry["paused"], entry["next_ms"]) == (True, None)
    shell.run("list")
    assert "paused" in shell.out
    shell.run("resume nightly")
    assert shell.out == "schedule reports/nightly: resumed\n"
    shell.run("resume nightly")
    assert "not paused already" in shell.out
    assert listed(shell)["nightly"]["next_ms"] is not None


def test_a_schedule_nobody_offers_says_so(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    system.redis("DEL", "jq:{reports}:offers")

    assert (listed(shell)["nightly"]["offered"], listed(shell)["nightly"]["next_ms"]) == (False, None)
    shell.run("list")
    assert "no worker has it" in shell.out


def test_run_enqueues_what_a_tick_would_and_is_no_tick(system: QueueSystem, shell: Shell) -> None:
    publish(system, fields=["max_attempts", "9", "expires", "+60000"])
    shell.run("pause nightly")
    answer = shell.json("run nightly")
    assert (shell.code, answer["created"], answer["queue"]) == (Exit.OK, True, "reports")

    job = system.job(answer["id"], "reports")
    assert (job["name"], job["payload"], job["priority"], job["max_attempts"]) == ("report", '{"args":[1]}', "2", "9")
    assert float(job["expires"]) > now_ms(system)
    assert listed(shell)["nightly"]["last_tick_ms"] is None


def test_run_does_not_overlap_where_ticks_do_not(system: QueueSystem, shell: Shell) -> None:
    publish(system, overlap=False)
    job_id = run_once(system)
    answer = shell.json("run nightly")

    assert (answer["created"], answer["id"]) == (False, job_id)
    assert shell.run("run nightly") == Exit.OK
    assert "has not ended" in shell.out


@pytest.mark.parametrize("command", ["pause", "resume", "run"])
def test_what_is_not_there_is_not_found_and_what_is_there_twice_is_asked_for(
    system: QueueSystem, shell: Shell, command: str
) -> None:
    assert shell.run(f"{command} nightly") == Exit.NOT_FOUND
    publish(system)
    publish(system, queue="other")
    assert shell.run(f"{command} reports/weekly") == Exit.NOT_FOUND
    assert shell.run(f"{command} nightly") == Exit.CONFLICT
    assert "other/nightly, reports/nightly" in shell.err
    assert shell.run(f"{command} other/nightly") == Exit.OK


def test_a_schedule_that_is_forgotten_in_that_moment_is_not_found(
    system: QueueSystem, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Planned("nightly", {}, None, None, "", None, False)
    monkeypatch.setattr(schedules, "find_schedule", lambda store, reference: ("reports", gone))

    assert shell.run("pause nightly") == Exit.NOT_FOUND


def test_a_queue_that_is_not_there_is_not_found(system: QueueSystem, shell: Shell) -> None:
    assert shell.run("list --queue nowhere") == Exit.NOT_FOUND


@pytest.mark.parametrize("broken", ["\xff", "{}", '{"every_ms":1}', '{"cron":"often","tz":"\\u001b[31m"}'])
def test_an_entry_that_cannot_be_used_is_shown_as_broken_and_is_no_traceback(
    system: QueueSystem, shell: Shell, broken: str
) -> None:
    publish(system)
    system.redis("HSET", "jq:{reports}:schedule", "nightly", broken.encode("latin-1"))
    assert listed(shell)["nightly"]["broken"]
    assert shell.run("list") == Exit.OK
    assert "\x1b" not in shell.out
    assert shell.run("run nightly") == Exit.CONFLICT


def test_a_damaged_queue_is_named_and_the_others_are_listed(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    publish(system, queue="bad")
    system.redis("DEL", "jq:{bad}:schedule")
    system.redis("SET", "jq:{bad}:schedule", "x")

    assert list(listed(shell)) == ["nightly"]
    assert "bad" in shell.err


def test_jobs_of_an_added_one_are_as_it_was_said(system: QueueSystem, shell: Shell) -> None:
    said = "--group t:7 --max-crashes 2 --timeout 90s --keep 2h --tag a --max-attempts 9"
    shell.run(f"add s report --queue reports --every 1h {said}")
    options = {"group": "t:7", "max_crashes": "2", "timeout": "90s", "keep": "2h", "tags": "a", "max_attempts": "9"}
    assert shell.json("show s")["schedule"]["options"] == options

    job = system.job(shell.json("run s")["id"], "reports")

    assert (job["fair"], job["max_crashes"], job["max_attempts"]) == ("=t:7", "2", "9")
    assert (job["timeout"], job["keep"], job["tags"]) == ("90000", "7200000", "a")


def test_one_is_added_shown_paused_and_removed_without_code(system: QueueSystem, shell: Shell) -> None:
    words = "add digest:42 report --queue reports --cron @daily --tz Europe/Paris --args [42] --no-overlap"
    answer = shell.json(words)
    assert (answer["schedule"], answer["queue"], answer["added"], answer["changed"]) == (
        "digest:42", "reports", True, False
    )  # fmt: skip
    assert "no daemon serves queue reports" in answer["warning"]
    assert (shell.json(words)["added"], shell.json(f"{words} --replace --priority 7")["changed"]) == (False, True)
    assert shell.run(f"{words} --priority 8") == Exit.CONFLICT

    shown = shell.json("show reports/digest:42")["schedule"]
    assert (shown["job"], shown["args"], shown["priority"], shown["added"]) == ("report", [42], 7, True)
    assert (listed(shell)["digest:42"]["next_ms"], shown["offered"]) == (shown["next_ms"], True)
    assert shell.run("show digest:42") == Exit.OK
    assert "added at run time" in shell.out
    assert shell.run("pause digest:42") == Exit.OK
    assert shell.json("show digest:42")["schedule"]["next_ms"] is None
    assert shell.run("resume digest:42") == Exit.OK
    assert shell.json("run digest:42")["created"]
    assert shell.json("remove digest:42") == {"schedule": "digest:42", "queue": "reports", "removed": True}
    assert (shell.run("remove digest:42"), listed(shell)) == (Exit.NOT_FOUND, {})


def test_one_in_code_is_neither_written_over_nor_removed(system: QueueSystem, shell: Shell) -> None:
    publish(system)
    assert shell.run("add nightly report --queue reports --every 1h --replace") == Exit.CONFLICT
    assert shell.run("remove nightly") == Exit.CONFLICT
    assert listed(shell)["nightly"]["added"] is False
