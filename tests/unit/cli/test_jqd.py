"""The command line of `jqd`: each setting as a flag, a variable and a line of `.env`, in that order."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner

from jqjobs.base.config import Environment
from jqjobs.cli import jqd
from jqjobs.daemon import main
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ConfigError, InvalidName
from jqjobs.link.bounds import Bounds
from jqjobs.link.queue_choice import QueueChoice

pytestmark = pytest.mark.usefixtures("own_log")

#: For each setting three texts and what they mean.
VALUES: dict[str, tuple[list[str], list[Any]]] = {
    "app": (["a:b", "c:d", "e:f"], ["a:b", "c:d", "e:f"]),
    "queues": (
        ["a", "b,c:2", " d , e,,d"],
        [QueueChoice(("a",)), QueueChoice(("b", "c"), (1, 2)), QueueChoice(("d", "e"))],
    ),
    "processes": (["1", "2..9", "3"], [Bounds(1, 1), Bounds(2, 9), Bounds(3, 3)]),
    "hold_s": (["1", "2m", "0"], [1.0, 120.0, 0.0]),
    "concurrency": (["1", "10", "480"], [1, 10, 480]),
    "name": (["a", "b", "c"], ["a", "b", "c"]),
    "grace_s": (["1", "2m", "0"], [1.0, 120.0, 0.0]),
    "kill_after_s": (["1", "2m", "250ms"], [1.0, 120.0, 0.25]),
    "lease_s": (["1", "2m", "1.5"], [1.0, 120.0, 1.5]),
    "poll_s": (["1", "1m", "100ms"], [1.0, 60.0, 0.1]),
    "jitter": (["0", "0.5", "0.25"], [0.0, 0.5, 0.25]),
    "batch": (["1", "2", "500"], [1, 2, 500]),
    "prefetch_ms": (["0", "2", "30"], [0, 2, 30]),
    "max_jobs": (["1", "2", "0"], [1, 2, 0]),
    "max_age_s": (["1", "2h", "0"], [1.0, 7200.0, 0.0]),
    "cooldown_s": (["1", "2h", "0"], [1.0, 7200.0, 0.0]),
    "burst": (["ready", "scheduled", "ready"], ["ready", "scheduled", "ready"]),
    "nice": (["1", "19", "0"], [1, 19, 0]),
    "memory_reserve": (["1", "200MB", "1GiB"], [1, 200_000_000, 1 << 30]),
    "max_rss": (["1", "200MB", "1GiB"], [1, 200_000_000, 1 << 30]),
    "watch": (["poll", "off", "auto"], ["poll", "off", "auto"]),
    "watch_packages": (["yes", "no", "yes"], [True, False, True]),
    "directory": (["/a", "/b", "/c"], ["/a", "/b", "/c"]),
    "health": ([":1", "a:2", "unix:/b"], [":1", "a:2", "unix:/b"]),
    "max_dead": (["1", "2", "0"], [1, 2, 0]),
    "dead_s": (["1", "2d", "3w"], [1.0, 172_800.0, 1_814_400.0]),
    "park_s": (["1", "2d", "0"], [1.0, 172_800.0, 0.0]),
    "alert_url": (["http://a", "https://b", "http://c"], ["http://a", "https://b", "http://c"]),
    "alert_exec": (["true", "false", "cat"], ["true", "false", "cat"]),
    "alert_wait_s": (["1m", "2m", "90"], [60.0, 120.0, 90.0]),
    "alert_every_s": (["1m", "2m", "90"], [60.0, 120.0, 90.0]),
    "runtime_dir": (["/a", "/b", "/c"], ["/a", "/b", "/c"]),
    "log_format": (["json", "text", "json"], ["json", "text", "json"]),
    "log_level": (["debug", "info", "error"], ["debug", "info", "error"]),
    "job_log": (["/a", "/b", "/c"], ["/a", "/b", "/c"]),
    "error_log": (["/a", "/b", "/c"], ["/a", "/b", "/c"]),
    "log_jobs": (["all", "slow:1s", "failed"], ["all", "slow:1s", "failed"]),
}


def settings(flags: dict[str, str], own: dict[str, str], file: str, directory: Path) -> DaemonSettings:
    (directory / ".env").write_text(file)
    return jqd.read_settings({"app": "x:y", **flags}, Environment(own, directory))


def test_every_setting_has_a_flag_and_every_flag_is_a_setting() -> None:
    fields = {field.name for field in dataclasses.fields(DaemonSettings)}
    assert fields - {"redis_url"} == set(jqd.OPTIONS)
    assert set(jqd.OPTIONS) <= set(VALUES), "a new setting needs its line in VALUES"
    flags = {opt for parameter in jqd.command.params for opt in parameter.opts}
    assert {jqd.flag_of(setting) for setting in jqd.OPTIONS} <= flags


@pytest.mark.parametrize("setting", [name for name in VALUES if name != "app"])
def test_a_flag_goes_before_the_environment_before_the_file(setting: str, tmp_path: Path) -> None:
    (flag, own, file), (by_flag, by_own, by_file) = VALUES[setting]
    variable = f"JQ_{jqd.variable_of(setting).upper()}"
    line = f"{variable}='{file}'\n"
    assert getattr(settings({setting: flag}, {variable: own}, line, tmp_path), setting) == by_flag
    assert getattr(settings({}, {variable: own}, line, tmp_path), setting) == by_own
    assert getattr(settings({}, {variable: ""}, line, tmp_path), setting) == by_file
    assert getattr(settings({}, {}, "", tmp_path), setting) == getattr(DaemonSettings("x:y", "redis://"), setting)


def test_the_app_too_may_come_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_APP=file:app\n")
    assert jqd.read_settings({}, Environment({}, tmp_path)).app == "file:app"
    assert jqd.read_settings({}, Environment({"JQ_APP": "own:app"}, tmp_path)).app == "own:app"


def test_the_redis_url_too(tmp_path: Path) -> None:
    file = "JQ_REDIS_URL=redis://file\n"
    assert (
        settings({"redis": "redis://flag"}, {"JQ_REDIS_URL": "redis://own"}, file, tmp_path).redis_url == "redis://flag"
    )
    assert settings({}, {"JQ_REDIS_URL": "redis://own"}, file, tmp_path).redis_url == "redis://own"
    assert settings({}, {}, file, tmp_path).redis_url == "redis://file"
    assert settings({"prefix": "flag"}, {}, file, tmp_path).redis_url == "redis://file?prefix=flag"
    assert settings({}, {"JQ_PREFIX": "own"}, file, tmp_path).redis_url == "redis://file?prefix=own"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("processes", "many"), ("processes", "1.5"), ("grace_s", "soon"), ("grace_s", "-1"), ("lease_s", "nan"),
        ("poll_s", "1e3"), ("jitter", "much"), ("queues", "a:0"), ("queues", "a:3,a:1"),
        ("batch", ""), ("prefetch_ms", "20ms"), ("log_format", "xml"), ("log_level", "loud"), ("dead_s", "inf"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_a_usage_error_that_names_flag_and_variable(
    setting: str, text: str, tmp_path: Path
) -> None:
    if not text:  # empty means not set
        assert settings({setting: text}, {}, "", tmp_path).batch == DaemonSettings("x:y", "").batch
        return
    for flags, own in (({setting: text}, {}), ({}, {f"JQ_{jqd.variable_of(setting).upper()}": text})):
        with pytest.raises(click.UsageError, match=jqd.flag_of(setting)) as refused:
            settings(flags, own, "", tmp_path)
        assert f"JQ_{jqd.variable_of(setting).upper()}" in refused.value.message


def test_a_value_out_of_range_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="jitter"):
        settings({"jitter": "nan"}, {}, "", tmp_path)
    with pytest.raises(ConfigError, match="lease"):
        settings({}, {"JQ_LEASE": "10ms"}, "", tmp_path)
    with pytest.raises(InvalidName):
        settings({}, {}, "JQ_QUEUES='a b'\n", tmp_path)


def test_help_names_every_flag_its_variable_and_a_default() -> None:
    text = CliRunner().invoke(jqd.command, ["--help"]).output
    for setting in jqd.OPTIONS:
        assert jqd.flag_of(setting) in text
        assert f"JQ_{jqd.variable_of(setting).upper()}" in text
    assert CliRunner().invoke(jqd.command, ["--version"]).output.startswith("jqd, version ")


def test_the_defaults_in_the_help_are_the_real_ones() -> None:
    real = DaemonSettings("x:y", "")
    text = " ".join(
        CliRunner().invoke(jqd.command, ["--help"], terminal_width=1000).output.partition("Options:")[2].split()
    )
    for setting, shown in {
        "name": real.name, "grace_s": f"{real.grace_s:g}s", "kill_after_s": f"{real.kill_after_s:g}s",
        "lease_s": f"{real.lease_s:g}s", "poll_s": f"{real.poll_s:g}s", "jitter": f"{real.jitter:g}",
        "batch": real.batch,
        "prefetch_ms": real.prefetch_ms, "max_dead": real.max_dead, "dead_s": f"{real.dead_s / 86_400:g}d",
        "park_s": f"{real.park_s / 86_400:g}d",
        "watch": real.watch, "log_format": real.log_format, "log_level": real.log_level,
        "log_jobs": real.log_jobs,
    }.items():  # fmt: skip
        part = text.partition(f"{jqd.flag_of(setting)} ")[2].partition("[JQ_")[0]
        assert f"Default: {shown}." in part, setting


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--nonsense"], 64, "--nonsense"), (["--processes", "x", "--app", "a:b"], 64, "--processes"), ([], 78,
        "no app"),
        (["extra"], 64, "extra"), (["--app", "jqjobs:App", "--redis", "http://x"], 78, "scheme"),
        (["--help"], 0, "Usage"), (["--app", "k_nowhere:app"], 78, "there is no module 'k_nowhere'"),
    ],
)  # fmt: skip
def test_what_a_person_can_get_wrong_is_a_line_and_a_code(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("JQ_APP", "JQ_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["jqd", *arguments])
    monkeypatch.setattr(main, "SignalInbox", Mock)  # signals belong to pytest
    with pytest.raises(SystemExit) as ended:
        jqd.main()
    output = "".join(capsys.readouterr())
    assert (ended.value.code, said in output, "Traceback" in output) == (code, True, False)


def run_jqd(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `jqd` in a directory, as a person does; Redis is nowhere."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JQ_", "PWD"))}
    return subprocess.run(
        [sys.executable, "-m", "jqjobs.cli.jqd", "--redis", "unix:///nowhere", *arguments],
        cwd=directory, env=own | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


GOOD = "from jqjobs import App\napp = App()\n@app.job(queue='mails')\ndef mail(): ...\n"


def test_check_loads_the_app_and_needs_no_redis(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(GOOD)
    done = run_jqd(tmp_path, "--app", "shop:app", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "shop:app loads, with 1 job for mails\n"


@pytest.mark.parametrize(("text", "said"), [("app = 42", "not a jqjobs.App"), (GOOD + "1 / 0", "shop.py:5")])
def test_check_says_in_one_line_what_is_wrong_and_exits_with_78(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "shop.py").write_text(text)
    done = run_jqd(tmp_path, "--app", "shop:app", "--check")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("jqd: shop:app does not load: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_check_complains_of_settings_too(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(GOOD)
    done = run_jqd(tmp_path, "--app", "shop:app", "--lease", "10ms", "--check")
    assert (done.returncode, done.stdout) == (78, "")
    assert "lease" in done.stderr


def test_check_ends_although_the_app_starts_a_thread_that_does_not(tmp_path: Path) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(900,)).start()\n"
    (tmp_path / "shop.py").write_text(GOOD + thread)
    assert run_jqd(tmp_path, "--app", "shop:app", "--check").returncode == 0


def test_a_directory_is_entered_and_kept_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    monkeypatch.chdir(tmp_path)
    for given in (f"{tmp_path}/current", "current"):
        release = jqd.enter_directory({"directory": given})
        assert str(release.directory) == f"{tmp_path}/current"
        assert Path.cwd() == tmp_path / "releases" / "1"
        os.chdir(tmp_path)


def test_the_directory_may_come_from_the_environment_and_settings_come_from_there(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.py").write_text(GOOD)
    (tmp_path / "shop" / ".env").write_text("JQ_APP=shop:app\n")
    (tmp_path / ".env").write_text("JQ_DIRECTORY=shop\n")
    assert run_jqd(tmp_path, "--check").stdout.startswith("shop:app loads")


def test_where_no_thread_may_start_is_one_line_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no defect, so it ends with no traceback and with a code that says: try again."""

    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(jqd, "run_daemon", start)
    monkeypatch.setattr(sys, "argv", ["jqd", "--app", "shop:app"])
    with pytest.raises(SystemExit) as ended:
        jqd.main()
    assert ended.value.code == 75
    assert capsys.readouterr().err.startswith("jqd: can't start new thread (raise the limit of processes: ulimit -u, ")


def test_a_directory_that_is_not_there_is_one_line_and_78(tmp_path: Path) -> None:
    done = run_jqd(tmp_path, "--app", "shop:app", "--directory", "/nowhere/at/all")
    assert done.returncode == 78
    assert done.stderr == "jqd: --directory /nowhere/at/all cannot be entered: No such file or directory\n"
