"""Fault 10: signals at moments when something else is under way. All are obeyed, and fifty are not fifty."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs.jobs.records import State
from waiting import eventually

#: A signal is obeyed within a second. So long on a machine that is slow or busy; who waits for the grace needs longer.
PROMPT_S = 8.0

GOOD = """\
from jqjobs import App
app = App()

@app.job(keep="1h")
def version():
    return 1
"""
SLOW = "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(600)\n" + GOOD


def descendants(daemon: Daemon) -> list[int]:
    return [child.pid for child in psutil.Process(daemon.pid).children(recursive=True)]


def ends_promptly_and_alone(daemon: Daemon, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal that ends the daemon; it must heed it soon and leave no process behind."""
    others, began = descendants(daemon), time.monotonic()
    daemon.send(number)
    assert daemon.wait() == 0, daemon.log_text()
    assert time.monotonic() - began < PROMPT_S, daemon.log_text()
    eventually(lambda: not any(map(is_running, others)), what="nobody is left")


@pytest.fixture
def importing(site: Site) -> Path:
    """What is there once the slow app is being loaded."""
    return site.directory / "importing"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_fault_10_an_end_while_a_canary_boots_ends_the_canary_too(
    site: Site, importing: Path, number: signal.Signals
) -> None:
    daemon = site.start_daemon("--app", site.write_app("shop", GOOD), "--watch", "off")
    site.write_app("shop", SLOW)
    daemon.send(signal.SIGHUP)
    eventually(importing.exists, what="the canary loads the new code")
    ends_promptly_and_alone(daemon, number)
    assert not daemon.events("reload.refused"), "nothing was wrong with it"


def test_fault_10_an_end_while_the_new_daemon_is_tried_ends_that_too(site: Site, importing: Path) -> None:
    daemon = site.start_daemon("--app", site.write_app("shop", GOOD), "--watch", "off")
    site.write_app("shop", SLOW)
    (site.directory / ".env").write_text("JQ_MAX_JOBS=1000\n")
    daemon.send(signal.SIGHUP)
    eventually(importing.exists, what="jqd --check loads the app")
    assert len(descendants(daemon)) == 2, "a worker and the check"
    ends_promptly_and_alone(daemon)


def test_fault_10_an_end_while_it_waits_for_its_turn_to_reload(site: Site) -> None:
    first, second = (site.start_daemon("--app", site.write_app("shop", GOOD), "--watch", "off") for _ in range(2))
    site.write_app("shop", SLOW)
    first.send(signal.SIGHUP)
    eventually((site.directory / "importing").exists, what="the first one has its turn")
    second.send(signal.SIGHUP)
    second.wait_for_event("signal")
    ends_promptly_and_alone(second)
    ends_promptly_and_alone(first)


def test_fault_10_a_hup_while_it_drains_is_no_reload(site: Site) -> None:
    daemon = site.start_daemon()
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    daemon.send(signal.SIGTERM)
    for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGUSR2, signal.SIGCONT, signal.SIGTERM):
        daemon.send(number)
        eventually(lambda name=number.name: name in [line["name"] for line in daemon.events("signal")], what="it came")
    site.gate().touch()
    assert daemon.wait() == 0
    assert site.wait_for(job, State.KEPT).interrupts == 0
    assert len(daemon.events("worker.started")) == 1


def test_fault_10_a_deploy_while_it_drains_is_left_to_the_next_daemon(site: Site) -> None:
    going, staying = (site.start_daemon("--queues", queue, "--watch", "poll") for queue in ("default", "other"))
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    going.send(signal.SIGTERM)
    going.wait_for_event("signal")
    (site.directory / ".env").write_text("JQ_MAX_JOBS=1000\n")
    staying.wait_for_event("daemon.replacing")
    site.gate().touch()
    assert going.wait() == 0
    assert not going.events("source.changed")
    assert not going.events("daemon.replacing")


def test_fault_10_fifty_hups_a_second_are_one_reload_that_interrupts_no_job(site: Site) -> None:
    """Who was started before the last one is replaced, one after another; that is all."""
    daemon = site.start_daemon("--processes", "2")
    before = daemon.workers()
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    for _ in range(50):
        daemon.send(signal.SIGHUP)
        time.sleep(0.02)  # not to wait for something: fifty of them make a second
    started = len(daemon.events("worker.started"))
    eventually(lambda: len(daemon.workers()) - len({*before} & {*daemon.workers()}) == 2, what="two new ones")
    site.gate().touch()
    assert site.wait_for(job, State.KEPT).interrupts == 0
    eventually(lambda: len(daemon.workers()) == 2 and not {*before} & {*daemon.workers()}, what="all were replaced")
    assert started < 20, "one new worker at a time"
    assert len(daemon.events("worker.started")) - started <= 3, "and then it is over"
    assert not daemon.events("reload.refused")
