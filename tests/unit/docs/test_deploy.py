"""The files in deploy/: each setting has its reason, and numbers that depend on each other agree."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.base.config import Environment
from jqjobs.cli.jqd import OPTIONS, read_settings, variable_of
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.link.bounds import Bounds

DEPLOY = Path(__file__).parents[3] / "deploy"
CONF = DEPLOY / "supervisor" / "jqd.conf"
SERVICE = DEPLOY / "systemd" / "jqd@.service"
TARGET = DEPLOY / "systemd" / "jqd.target"
NOTIFY_RELOAD = DEPLOY / "systemd" / "notify-reload.conf"

#: What jqd needs after the last worker is gone: its end in Redis, and that of its daemon.
_AFTERWARDS_S = 5


def settings_of(path: Path) -> list[tuple[str, str]]:
    """Return key and value of every setting, in order; indented lines belong to the value before them."""
    found: list[tuple[str, str]] = []
    for line in path.read_text().splitlines():
        if line.startswith((" ", "\t")) and found:
            key, value = found[-1]
            found[-1] = (key, f"{value} {line.strip()}".strip())
        elif re.match(r"[A-Za-z_]+=", line):
            key, _, value = line.partition("=")
            found.append((key, value))
    return found


def unexplained(path: Path) -> Iterator[str]:
    """Yield settings whose block (the lines up to a blank one or a comment) does not begin with a comment."""
    explained = False
    for line in path.read_text().splitlines():
        if line.startswith((";", "#")):
            explained = True
        elif not line.strip() or line.startswith("["):
            explained = False
        elif not line.startswith((" ", "\t")) and not explained:
            yield line


def daemon_settings(variables: dict[str, str], tmp_path: Path) -> DaemonSettings:
    """Return what jqd makes of these variables."""
    return read_settings({}, Environment(variables, tmp_path))


def conf_variables(number: int = 0) -> dict[str, str]:
    """Return the environment that jqd.conf gives one instance."""
    text = dict(settings_of(CONF))["environment"] % {"process_num": number}
    return dict(pair.rstrip(",").split("=", 1) for pair in shlex.split(text))


@pytest.mark.parametrize("path", [CONF, SERVICE, TARGET, NOTIFY_RELOAD], ids=lambda path: path.name)
def test_every_setting_has_its_reason(path: Path) -> None:
    allowed = "Description="
    assert [line for line in unexplained(path) if not line.startswith(allowed)] == []


def test_jqd_conf_starts_four_daemons_with_names_and_settings_that_jqd_accepts(tmp_path: Path) -> None:
    conf = dict(settings_of(CONF))
    assert conf["numprocs"] == "4"
    assert conf["process_name"] == "%(program_name)s_%(process_num)02d"
    assert "%(process_num)02d" in conf["stdout_logfile"]
    known = {f"JQ_{variable_of(setting).upper()}" for setting in OPTIONS} | {"JQ_REDIS_URL", "PYTHONUNBUFFERED"}
    assert conf_variables().keys() <= known
    settings = daemon_settings(conf_variables(3), tmp_path)
    assert (settings.name, settings.processes, settings.grace_s) == ("jqd-03", Bounds.fixed(2), 25)


def test_supervisord_waits_longer_than_a_drain_takes(tmp_path: Path) -> None:
    settings = daemon_settings(conf_variables(), tmp_path)
    stopwait_s = int(dict(settings_of(CONF))["stopwaitsecs"])
    assert stopwait_s >= settings.grace_s + settings.kill_after_s + _AFTERWARDS_S


def test_supervisord_restarts_always_and_leaves_the_workers_to_jqd() -> None:
    conf = dict(settings_of(CONF))
    wanted = {"autorestart": "true", "stopasgroup": "false", "killasgroup": "false", "stopsignal": "TERM"}
    assert {key: conf[key] for key in wanted} == wanted
    assert int(conf["startretries"]) >= 10


def test_systemd_waits_longer_than_a_drain_takes(tmp_path: Path) -> None:
    settings = daemon_settings({"JQ_APP": "shop.app:app"}, tmp_path)
    stop_s = int(dict(settings_of(SERVICE))["TimeoutStopSec"])
    assert stop_s >= settings.grace_s + settings.kill_after_s + _AFTERWARDS_S


def test_the_unit_keeps_what_the_daemons_of_a_host_share() -> None:
    unit = dict(settings_of(SERVICE))
    assert unit["RuntimeDirectory"] == "jqjobs"
    assert unit["RuntimeDirectoryPreserve"] == "yes"
    apart = {"PrivatePIDs", "PrivateUsers", "ProtectProc", "DynamicUser", "PrivateTmp", "RemoveIPC"}
    assert not apart & unit.keys()


def test_the_unit_hides_nothing_that_jqd_reads_of_its_host() -> None:
    unit = dict(settings_of(SERVICE))
    assert "ProcSubset" not in unit, "it hides how much memory is free"
    assert unit["ProtectControlGroups"] == "yes", "its limits are to be read; strict would hide them"


def test_jqd_is_told_its_directory_so_that_it_sees_the_link_to_the_release() -> None:
    unit, conf = settings_of(SERVICE), dict(settings_of(CONF))
    assert ("Environment", "JQ_DIRECTORY=/srv/shop/current") in unit
    assert conf_variables()["JQ_DIRECTORY"] == "/srv/shop/current"
    assert not {"WorkingDirectory", "RootDirectory"} & dict(unit).keys()
    assert "directory" not in conf


def test_a_reload_that_systemd_waits_for_sends_the_signal_once() -> None:
    unit, drop_in = dict(settings_of(SERVICE)), dict(settings_of(NOTIFY_RELOAD))
    assert drop_in == {"Type": "notify-reload", "ReloadSignal": "SIGHUP", "ExecReload": ""}
    assert "-HUP" in unit["ExecReload"], "the drop-in is there to replace this"


def test_the_unit_stops_jqd_alone_and_survives_a_worker_that_ran_out_of_memory() -> None:
    unit = dict(settings_of(SERVICE))
    wanted = {"KillMode": "mixed", "OOMPolicy": "continue", "Restart": "always"}
    assert {key: unit[key] for key in wanted} == wanted
    assert "-HUP $MAINPID" in unit["ExecReload"]


def test_systemd_hears_from_jqd_itself_and_kills_it_when_its_loop_stands_still() -> None:
    unit = dict(settings_of(SERVICE))
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert int(unit["WatchdogSec"]) >= 20, "a loop that is merely late, on a busy machine, must not be killed"


def test_deploy_names_no_exit_code_that_jqd_has_not() -> None:
    from jqjobs.link.exits import DaemonExit

    codes = map(int, dict(settings_of(SERVICE))["RestartPreventExitStatus"].split())
    assert set(codes) <= set(DaemonExit)


def test_the_run_script_of_runit_gives_settings_that_jqd_accepts(tmp_path: Path) -> None:
    said = dict(re.findall(r"^export (JQ_\w+)='(.*)'$", (DEPLOY / "runit" / "jqd" / "run").read_text(), re.MULTILINE))
    known = {f"JQ_{variable_of(setting).upper()}" for setting in OPTIONS} | {"JQ_REDIS_URL"}
    assert said.keys() <= known
    assert daemon_settings(said, tmp_path).app == "shop.app:app"


@pytest.mark.parametrize("name", ["run", "finish", "log/run"])
def test_the_scripts_of_runit_can_be_executed_and_parsed(name: str) -> None:
    path = DEPLOY / "runit" / "jqd" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False).stderr == ""


def test_runit_waits_with_a_daemon_whose_settings_are_wrong() -> None:
    from jqjobs.link.exits import DaemonExit

    finish = (DEPLOY / "runit" / "jqd" / "finish").read_text()
    [codes] = re.findall(r"^([\d |]+)\) sleep", finish, re.MULTILINE)
    assert {int(code) for code in codes.split("|")} == {DaemonExit.USAGE, DaemonExit.CONFIGURATION}
