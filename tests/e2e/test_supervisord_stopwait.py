"""A real supervisord tells how long it waits after TERM, over a unix socket and over HTTP with a password."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from deployments.ports import free_port
from e2e.chaos.supervision import END_WITH_PARENT, PATIENCE_S
from jqjobs.daemon.host_check import stop_wait_complaint
from servers import require_program
from waiting import eventually

_CONF = """\
[supervisord]
nodaemon=true
logfile={directory}/log
pidfile={directory}/pid
childlogdir={directory}
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
{server}
[program:jqd]
command={sleep} 1000
numprocs=2
process_name=jqd_%(process_num)02d
stopwaitsecs=9
[program:other]
command={sleep} 1000
process_name=jqd_00
stopwaitsecs=600
"""

Environ = dict[str, str]


@contextmanager
def supervised(server: str) -> Iterator[Environ]:
    """Start supervisord with a server section ({directory} in it is filled in); yield what its jqd:jqd_00 was given."""
    supervisord = require_program("supervisord")
    short = Path(tempfile.mkdtemp(prefix="jq-", dir="/tmp"))  # a unix socket's path must be short
    user = "user=root\n" if os.getuid() == 0 else ""
    section = server.format(directory=short)
    sleep = require_program("sleep")
    (short / "conf").write_text(_CONF.format(directory=short, user=user, server=section, sleep=sleep))
    start = [sys.executable, "-c", END_WITH_PARENT, supervisord, "-c", str(short / "conf")]
    with (short / "out").open("wb") as out:
        process = subprocess.Popen(start, stdout=out, stderr=out)
    try:
        yield eventually(lambda: _environ_below(process.pid), PATIENCE_S, "supervisord starts its programs")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        shutil.rmtree(short)


def _environ_below(pid: int) -> Environ | None:
    """Return the environment of jqd:jqd_00, once it runs its program."""
    for child in psutil.Process(pid).children():
        environ = child.environ()
        names = environ.get("SUPERVISOR_GROUP_NAME"), environ.get("SUPERVISOR_PROCESS_NAME")
        if names == ("jqd", "jqd_00"):
            return environ
    return None


@pytest.fixture
def environ_under() -> Iterator[Callable[[str], Environ]]:
    """Start supervisords; they end with the test."""
    with ExitStack() as running:
        yield lambda server: running.enter_context(supervised(server))


def test_fault_30_a_stopwaitsecs_below_the_grace_period_is_told_by_supervisord(
    environ_under: Callable[[str], Environ],
) -> None:
    environ = environ_under("[unix_http_server]\nfile={directory}/s\n")
    # A busy machine may take longer than the second that is waited.
    said = eventually(lambda: stop_wait_complaint(environ, 38), PATIENCE_S, "supervisord answers")
    assert said.startswith("supervisord kills jqd 9 s after TERM")
    assert stop_wait_complaint(environ, 9) == ""


def test_supervisord_is_asked_over_http_with_the_password_that_it_wants(
    environ_under: Callable[[str], Environ],
) -> None:
    environ = environ_under(f"[inet_http_server]\nport=127.0.0.1:{free_port()}\nusername=eve\npassword=sesame\n")
    secrets = {"SUPERVISOR_USERNAME": "eve", "SUPERVISOR_PASSWORD": "sesame"}
    eventually(lambda: stop_wait_complaint(environ | secrets, 38), PATIENCE_S, "supervisord answers")
    assert stop_wait_complaint(environ, 38) == ""
    assert stop_wait_complaint(environ | secrets | {"SUPERVISOR_PASSWORD": "simsim"}, 38) == ""
