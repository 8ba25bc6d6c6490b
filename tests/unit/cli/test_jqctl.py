"""The command line as such: what it imports, what it refuses, what it prints. No Redis anywhere."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import jqjobs
from jqjobs.cli import jqctl, output
from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.errors import (
    ConfigError,
    Conflict,
    InvalidArguments,
    InvalidName,
    JqError,
    NotFound,
    PayloadTooLarge,
    StoreBusy,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from jqjobs.operations.arguments import payload_of

#: What costs more than 20 ms to import and has no business in `jqctl status`.
HEAVY = {"redis", "msgspec", "psutil", "rich", "asyncio", "dotenv", "watchdog", "jqjobs.api.app", "jqjobs.embedded"}

pytestmark = pytest.mark.usefixtures("nowhere")


def test_starting_it_imports_nothing_heavy() -> None:
    code = f"import sys, jqjobs.cli.jqctl; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    root = str(Path(jqjobs.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_without_a_command_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run([]) == 0
    shown = capsys.readouterr().out
    for command in ("status", "enqueue", "job", "queue", "schedule", "ping"):
        assert f"\n  {command}" in shown
    assert "Exit codes: 0" in shown


@pytest.mark.parametrize(
    "command",
    ["status", "ping", "enqueue", "job", "job enqueue", "job show", "job list", "job retry", "queue", "queue list",
     "queue pause", "queue resume", "schedule", "schedule list", "schedule pause", "schedule resume", "schedule run",
     "jobs", "new job", "job delete", "job promote", "top", "tail", "recent"],
)  # fmt: skip
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.split()
    assert jqctl.run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: jqctl {command}")
    if command not in ("job", "queue", "queue list", "schedule"):
        assert f"jqctl {words[-1] if 'enqueue' in words else command}" in shown.split("Example", 1)[1]
        assert "--json" in shown
        assert "--redis" in shown


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("jqctl ")


@pytest.mark.parametrize(
    "line",
    ["bogus", "job bogus", "status --bogus", "enqueue", "enqueue a b", "enqueue n --priority high",
     "enqueue n --priority 4096", "enqueue n --delay soon", "enqueue n --max-attempts 0", "enqueue n --key=",
     "enqueue n\x1b", "enqueue n --queue a}b", "enqueue n --id=a/b", "enqueue n --args 1", "enqueue n --args [1",
     "enqueue n --args [NaN]", "enqueue n --kwargs []", "job show a/b/c", "job show -x", "job show é",
     "job list --state inbox --name n", "job list --state bogus", "job list --state dead --limit 0",
     "job list --state dead --cursor -1", "job list --state dead --cursor ٣", "job retry", "job retry --all-dead",
     "job retry --queue q", "job retry a --queue q --all-dead", "job retry a b/", "queue pause", "queue pause a:b",
     "status --queue ../x", "schedule pause", "schedule run a/b/c", "schedule list --queue a:b",
     "job retry --queue q --name a/b", "job retry --queue q --all-dead --error x", "job retry --name n",
     "job retry --queue q --error x", "job cancel --queue q --name n", "job delete --queue q --state dead",
     "job delete --queue q --error x --yes", "job delete a --state dead --yes", "job delete --queue q --state active",
     "job delete", "job delete a", "job promote", "job promote a/b/c"],
)  # fmt: skip
def test_what_is_typed_wrong_is_a_usage_error_in_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(line.split(" ")) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("jqctl: ")
    assert shown.err.count("\n") == 1
    assert "\x1b" not in shown.err
    assert jqctl.run([*line.split(" "), "--json"]) == Exit.USAGE
    answer = json.loads(capsys.readouterr().err)
    assert answer["v"] == 1
    assert set(answer["error"]) == {"code", "message", "hint"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("statsu", "'status'"),
        ("job shwo a", "'show'"),
        ("daemon reloda --all", "'reload'"),
        ("status --quee q", "--queue"),
    ],
)
def test_a_slip_of_the_finger_is_told_what_it_is_like(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jqctl.run(line.split()) == Exit.USAGE
    assert meant in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "ping", "queue list", "enqueue n", "job show a", "job retry a"])
def test_an_unreachable_redis_is_named_in_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(command.split()) == Exit.UNREACHABLE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "nothing.sock cannot be reached" in shown.err
    assert "JQ_REDIS_URL" in shown.err
    for asked in (["--json"], ["-o", "json"], ["-ojson"], ["--output=json"]):
        capsys.readouterr()
        assert jqctl.run([*asked, *command.split()]) == Exit.UNREACHABLE
        assert json.loads(capsys.readouterr().err)["error"]["code"] == "unreachable"


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://x", Exit.ERROR), ("redis://a..b", Exit.ERROR), ("redis://h:port", Exit.ERROR), ("unix://", Exit.ERROR),
     ("", Exit.USAGE), ("redis://127.0.0.1:1", Exit.UNREACHABLE), ("unix:///a%00b", Exit.UNREACHABLE),
     ("unix:///" + "x" * 200, Exit.ERROR), ("redis://:secret@127.0.0.1:1", Exit.UNREACHABLE)],
)  # fmt: skip
def test_a_bad_url_is_no_traceback_and_shows_no_password(
    url: str, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jqctl.run(["--redis", url, "status"]) == code
    shown = capsys.readouterr().err
    assert shown.startswith("jqctl: ")
    assert shown.count("\n") == 1
    assert "secret" not in shown


def test_the_embedded_server_is_not_started_and_the_hint_says_who_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run(["--redis", "embedded:data", "status"]) == Exit.UNREACHABLE
    assert "jqd --app" in capsys.readouterr().err
    assert not Path("data").exists()


def test_the_url_comes_from_the_flag_then_the_environment_then_dotenv(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("JQ_REDIS_URL=unix:///from/dotenv\n")
    for arguments, expected in (
        (["status", "--redis", "unix:///from/flag"], "from/flag"),
        (["--redis", "unix:///from/group", "status"], "from/group"),
        (["status"], "nothing.sock"),
    ):
        jqctl.run(arguments)
        assert expected in capsys.readouterr().err
    monkeypatch.delenv("JQ_REDIS_URL")
    jqctl.run(["status"])
    assert "from/dotenv" in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jqjobs.store.wire.Wire.connect", interrupted)
    assert jqctl.run(["status"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err.strip() == ""


def test_a_closed_stdout_or_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    output.write_lines(["x"])
    output.write_json({})
    monkeypatch.setattr(sys, "stderr", None)
    output.write_error(JqError("x"), as_json=False)


def test_a_full_disk_below_stdout_is_an_error_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(lines: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jqjobs.cli.overview.status.read_status", lambda *_: None)
    monkeypatch.setattr("jqjobs.cli.overview.status.status_json", full)
    monkeypatch.setattr("jqjobs.store.wire.Wire.connect", lambda *_: None)
    assert jqctl.run(["status"]) == Exit.ERROR
    assert "No space left" in capsys.readouterr().err


def test_a_terminal_that_cannot_show_a_character_gets_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", plain)
    assert jqctl.run(["doctor", "--help"]) == 0
    output.write_lines(["Grüße ✔"])
    shown = plain.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"\\u2714  all is well" in shown
    assert shown.endswith("Grüße \\u2714\n".encode("latin-1"))


def test_what_people_read_is_escaped_at_the_last_moment(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_lines(["a\x1b[31m\nb\u202e"])
    output.write_error(JqError("c\x07", hint="d\u200b"), as_json=False)
    output.write_json({"x": "\x1b\u202e"})
    shown = capsys.readouterr()
    assert shown.out == 'a\\x1b[31m\\nb\\u202e\n{"v": 1, "x": "\\u001b\\u202e"}\n'
    assert shown.err == "jqctl: c\\x07 (d\\u200b)\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(JqError(), 1), (ConfigError(), 1), (Conflict(), 6), (StoreFull(), 1), (StoreRefused(), 1), (InvalidName(), 2),
     (PayloadTooLarge(), 2), (StoreUnavailable(), 4), (StoreBusy(), 4), (NotFound(), 5)],
)  # fmt: skip
def test_errors_have_the_exit_codes_that_are_documented(error: JqError, code: int) -> None:
    assert exit_of(error) == code


def test_a_payload_holds_only_the_arguments_that_were_given() -> None:
    assert payload_of("[]", "{}") == b"{}"
    assert json.loads(payload_of("[42]", "{}")) == {"args": [42]}
    assert json.loads(payload_of('["ü"]', '{"a": [1.5, null]}')) == {"args": ["ü"], "kwargs": {"a": [1.5, None]}}
    assert json.loads(payload_of("[42]", "{}", "send")) == {"job": "send", "args": [42]}
    assert b"9007199254740993" in payload_of("[9007199254740993]", "{}")


@pytest.mark.parametrize("text", ['["\\ud800"]', "[Infinity]", "[1e999]", "[" * 600 + "]" * 600, "\x00", ""])
def test_arguments_that_no_worker_could_read_are_refused_at_once(text: str) -> None:
    with pytest.raises(InvalidArguments):
        payload_of(text, "{}")


def test_a_payload_has_a_size() -> None:
    payload_of(json.dumps(["x" * 1_048_000]), "{}")
    with pytest.raises(PayloadTooLarge):
        payload_of(json.dumps(["x" * 1_048_576]), "{}")


@pytest.mark.parametrize("noun", ["job", "queue"])
def test_a_noun_alone_shows_its_help_and_is_a_usage_error(noun: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert jqctl.run([noun]) == Exit.USAGE
    assert f"Usage: jqctl {noun}" in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_password_that_is_not_encoded_is_refused_without_a_piece_of_it(
    capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    assert jqctl.run([*form, "status", "--redis", "redis://:12#hunter2/c@host"]) == Exit.ERROR
    said = capsys.readouterr().err
    assert "percent-encode the password" in said
    assert "hunter2" not in said


def test_each_command_is_there_under_its_own_name_and_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys, click; from jqjobs.cli.jqctl import cli; context = click.Context(cli);"
        "print('jqjobs.cli.metrics.metrics' in sys.modules);"
        "print(all(cli.get_command(context, name).name == name for name in cli.list_commands(context)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
