"""The systemd units, as far as systemd judges them without running them, and what jqd says to systemd.

test_systemd_user.py has systemd run them.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from e2e.daemon import Site
from e2e.systemd import UNITS, install_units
from jqjobs.jobs.records import State
from servers import require_program
from waiting import eventually

#: Tenths of what `systemd-analyze security` shows, lower is better; a unit without any hardening has 96.
_MOST_EXPOSURE = 20
#: The first systemd that knows Type=notify-reload.
_NOTIFY_RELOAD_SINCE = 253


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a binary, a directory and a user that exist here; an instance as verify wants it."""
    require_program("systemd-analyze")
    install_units(tmp_path, tmp_path)
    return tmp_path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    command = [require_program("systemd-analyze"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def about_ours(text: str) -> list[str]:
    """Return what was said of our units; those of the machine may have troubles of their own."""
    return [line for line in text.splitlines() if "jqd" in line]


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    (units / "jqd@1.service").symlink_to("jqd@.service")
    done = analyze("verify", units / "jqd@1.service", units / "jqd.target")
    assert (done.returncode, about_ours(done.stderr)) == (0, [])


def test_verify_would_notice_a_missing_binary_and_a_misspelt_setting(units: Path) -> None:
    text = (units / "jqd@.service").read_text()
    (units / "jqd@2.service").write_text(
        text.replace("bin/jqd --name", "bin/gone --name").replace("KillMode", "KilMode")
    )
    done = analyze("verify", units / "jqd@2.service")
    assert done.returncode != 0
    assert "gone" in done.stderr
    assert "KilMode" in done.stderr


def test_the_unit_is_exposed_no_more_than_a_queue_must_be() -> None:
    done = analyze("security", "--offline=true", f"--threshold={_MOST_EXPOSURE}", UNITS / "jqd@.service")
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_systemd_takes_the_drop_in_that_makes_reload_wait(units: Path) -> None:
    version = int(analyze("--version").stdout.split()[1].split(".")[0].split("~")[0])
    if version < _NOTIFY_RELOAD_SINCE:
        pytest.skip(f"systemd {version} does not know Type=notify-reload, {_NOTIFY_RELOAD_SINCE} does")
    (units / "jqd@3.service").symlink_to("jqd@.service")
    (units / "jqd@.service.d").mkdir()
    shutil.copy(UNITS / "notify-reload.conf", units / "jqd@.service.d")
    done = analyze("verify", units / "jqd@3.service")
    assert (done.returncode, about_ours(done.stderr)) == (0, [])


class Heard:
    """What a daemon has said to systemd so far, read from a socket in the place of systemd's."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.lines: list[str] = []

    def count(self, line: str) -> int:
        """Read what is there; return how often that line was said."""
        while True:
            try:
                self.lines += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return self.lines.count(line)

    def wait_for(self, line: str, count: int = 1) -> None:
        eventually(lambda: self.count(line) >= count, what=f"{count} x {line} to systemd")


def test_jqd_tells_systemd_how_it_is_and_workers_cannot(site: Site) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(site.directory / "notify"))
        sock.setblocking(False)
        heard = Heard(sock)
        daemon = site.start_daemon(NOTIFY_SOCKET=str(site.directory / "notify"), WATCHDOG_USEC="1000000")
        heard.wait_for("READY=1")
        heard.wait_for("STATUS=1 of 1 workers ready")
        heard.wait_for("WATCHDOG=1", 3)
        [worker] = daemon.workers()
        inherited = Path(f"/proc/{worker}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in inherited
        assert b"WATCHDOG" not in inherited
        daemon.send(signal.SIGHUP)
        heard.wait_for("RELOADING=1")
        heard.wait_for("READY=1", 2)
        job = site.send("hold", str(site.gate()))
        site.wait_for_start(job)
        daemon.send(signal.SIGTERM)
        heard.wait_for("EXTEND_TIMEOUT_USEC=14000000")  # grace 10 s, kill-after 1 s, and the goodbye
        assert heard.lines.index("STOPPING=1") < heard.lines.index("EXTEND_TIMEOUT_USEC=14000000")
        pings = heard.count("WATCHDOG=1")
        heard.wait_for("WATCHDOG=1", pings + 1)  # a drain is no reason to be killed
        site.gate().touch()
        assert daemon.wait() == 0
    assert job.state() is State.KEPT
    assert heard.lines.count("STOPPING=1") == 1


def test_a_daemon_that_waits_for_redis_counts_as_started(site: Site) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(site.directory / "notify"))
        sock.setblocking(False)
        nowhere = f"unix://{site.directory}/nobody"
        daemon = site.start_daemon(wait=False, NOTIFY_SOCKET=str(site.directory / "notify"), JQ_REDIS_URL=nowhere)
        Heard(sock).wait_for("READY=1")
        assert daemon.process.poll() is None
