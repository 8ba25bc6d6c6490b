"""`jqctl job run`: one job of an app in the foreground; its exit code is the outcome. And what it may cost others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jqjobs
from jqjobs.cli.exit_codes import Exit
from servers import Server
from store.queue_system import QueueSystem

APP = """
import asyncio
import os
import sys

from jqjobs import App, Discard, RateLimit, current_job, wait_async

app = App()


@app.middleware
def loud(job, call):
    print("before", job.name)
    return call()


@app.on_failure
def tell(job, error):
    print("told", repr(error))


@app.job
def add(a: int, b: int = 1) -> int:
    print("adding")
    assert current_job().name == "add"
    return {"sum": a + b}


@app.job(aliases=["former"])
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.job(max_attempts=5)
def fails() -> None:
    raise ValueError("boom")


@app.job
def shouts() -> None:
    raise ValueError("first\\nsecond \\x1b[31mred")


@app.job
def shells() -> str:
    os.system("echo said by a child")
    return "no\u00a0break"


@app.job
def discards() -> None:
    raise Discard("never")


@app.job
def strange():
    return object()


@app.job
def enqueues():
    return add.enqueue(1).ref


@app.job(rate_limit=RateLimit(1, days=1))
def limited() -> int:
    return 1


@app.job
def waits() -> object:
    return wait_async("1h")


@app.job
def exits() -> None:
    sys.exit(4)


@app.job
def interrupted() -> None:
    raise KeyboardInterrupt
"""


class Shell:
    """Runs `jqctl job run` in a directory with an app."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        (directory / "shop.py").write_text(APP)
        own = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        package = str(Path(jqjobs.__file__).parents[1])
        self._environment = own | {"JQ_REDIS_URL": url, "JQ_APP": "shop:app", "PYTHONPATH": package}
        self.out = self.err = ""

    def run(self, *words: str, **environment: str) -> int:
        command = [sys.executable, "-m", "jqjobs.cli.jqctl", "job", "run", *words]
        own = self._environment | environment
        done = subprocess.run(command, cwd=self._directory, env=own, capture_output=True, text=True, timeout=60)
        self.out, self.err = done.stdout, done.stderr
        return done.returncode

    def json(self, *words: str) -> dict[str, Any]:
        self.code = self.run(*words, "--json")
        answer: dict[str, Any] = json.loads(self.out)
        assert answer.pop("v") == 1
        return answer


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "redis://127.0.0.1:1/0")


def test_the_result_is_all_that_is_on_stdout(shell: Shell) -> None:
    assert shell.run("add", "--args", "[41]") == Exit.OK
    assert shell.out == '{"sum": 42}\n'
    assert shell.err.splitlines() == ["before add", "adding"]
    assert shell.run("add", "--kwargs", '{"a": 1, "b": 2}', "--app", "shop:app", JQ_APP="") == Exit.OK
    assert json.loads(shell.out) == {"sum": 3}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_result_is_json_whatever_is_in_it_and_whatever_children_write(shell: Shell, form: list[str]) -> None:
    assert shell.run("shells", *form) == Exit.OK
    answer = json.loads(shell.out)
    assert (answer["result"] if form else answer) == "no\u00a0break"
    assert "said by a child" in shell.err


def test_with_json_the_answer_says_the_outcome(shell: Shell) -> None:
    assert shell.json("add", "--args", "[1]") == {
        "name": "add", "outcome": "succeeded", "result": {"sum": 2}, "error": None, "traceback": None,
    }  # fmt: skip
    failed = shell.json("fails")
    assert failed.pop("traceback").endswith("\nValueError: boom")
    assert failed == {"name": "fails", "outcome": "failed", "result": None, "error": "ValueError: boom"}
    assert shell.code == Exit.JOB_FAILED


def test_an_async_job_runs_under_a_former_name_too(shell: Shell) -> None:
    assert shell.run("former", "--args", "[0]") == Exit.OK
    assert shell.out == "null\n"


def test_a_failure_shows_its_traceback_and_is_not_tried_again(shell: Shell) -> None:
    assert shell.run("fails") == Exit.JOB_FAILED
    assert shell.out == ""
    assert "Traceback" in shell.err
    assert shell.err.rstrip().endswith("ValueError: boom")
    assert shell.err.count("told ValueError") == 1


def test_a_traceback_is_text_that_can_be_read_and_acts_on_no_terminal(shell: Shell) -> None:
    assert shell.run("shouts") == Exit.JOB_FAILED
    lines = shell.err.split("Traceback")[1].splitlines()
    assert '    raise ValueError("first\\nsecond \\x1b[31mred")' in lines
    assert lines[-2:] == ["ValueError: first", "second \\x1b[31mred"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("discards", Exit.JOB_DISCARDED), ("exits", Exit.JOB_FAILED), ("interrupted", Exit.INTERRUPTED)],
)
def test_the_exit_code_is_the_outcome(shell: Shell, name: str, code: Exit) -> None:
    assert shell.run(name) == code


def test_limits_hold_nothing_back_here(shell: Shell) -> None:
    assert shell.run("limited") == Exit.OK
    assert shell.out == "1\n"


def test_a_job_that_waits_for_a_third_party_has_not_ended(shell: Shell) -> None:
    assert shell.run("waits") == Exit.OK
    assert shell.out == ""
    assert "it waits for an answer, which cannot come here" in shell.err
    assert shell.json("waits")["outcome"] == "waiting"


def test_a_result_that_is_no_json_is_a_success_with_a_warning(shell: Shell) -> None:
    assert shell.run("strange") == Exit.OK
    assert shell.out == "null\n"
    assert "cannot be stored as JSON" in shell.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "--args", "[]"), Exit.USAGE, "missing a required argument"),
        (("add", "--args", '["x"]'), Exit.USAGE, "argument 'a'"),
        (("add", "--args", "{"), Exit.USAGE, "--args is not JSON"),
        (("nope",), Exit.NOT_FOUND, "known jobs: add, discards"),
        (("fail",), Exit.NOT_FOUND, "did you mean 'fails'?"),
        (("os.system",), Exit.NOT_FOUND, "no job 'os.system'"),
        (("add", "--app", "nowhere:app"), Exit.ERROR, "there is no module 'nowhere'"),
        (("add", "--app", "shop:add"), Exit.ERROR, "not a jqjobs.App"),
        (("add", "--app", "shop"), Exit.ERROR, "package.module:attribute"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_said_in_one_line(shell: Shell, words: tuple[str, ...], code: Exit, said: str) -> None:
    assert shell.run(*words) == code
    assert said in shell.err
    assert len(shell.err.splitlines()) == 1


def test_without_an_app_it_asks_for_one(shell: Shell) -> None:
    assert shell.run("add", JQ_APP="") == Exit.ERROR
    assert "--app or JQ_APP" in shell.err


def test_what_the_job_enqueues_goes_to_redis(shell: Shell, any_server: Server) -> None:
    assert shell.run("enqueues", "--redis", any_server.url) == Exit.OK
    queue, job_id = json.loads(shell.out).split("/")
    system = QueueSystem(any_server.url)
    assert system.states(job_id, queue) == ["ready"]
    system.store.close()
