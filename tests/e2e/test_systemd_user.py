"""The life of the shipped unit under a real `systemd --user`: start, reload, watchdog, stop. Skipped without root."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from e2e.chaos.supervision import PATIENCE_S, ROOT
from e2e.daemon import Site, is_running
from e2e.systemd import Systemd, running_systemd
from jqjobs.jobs.records import State
from jqjobs.store.address import parse_url
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.store import Store
from waiting import eventually

UNIT = "jqd@1.service"

Boot = Callable[..., Systemd]


@pytest.fixture
def boot(site: Site) -> Iterator[Boot]:
    """Start a manager: with more settings for jqd@.service, and JQ_ settings for jqd."""
    with ExitStack() as running:

        def start(drop_in: str = "", **settings: str) -> Systemd:
            chosen = {
                "JQ_APP": "unit_jobs:app", "JQ_PROCESSES": "1", "JQ_JITTER": "0", "JQ_POLL": "0.2", "JQ_WATCH": "off",
                "JQ_REDIS_URL": site.server.url, "JQ_TEST_JOURNAL": str(site.directory / "journal"),
                "PYTHONPATH": f"{ROOT / 'daemon'}:{Path(__file__).parent}", **settings,
            }  # fmt: skip
            lines = [f"{name}={value}\n" for name, value in chosen.items()]
            (site.directory / "jqd.env").write_text("".join(lines))
            return running.enter_context(running_systemd(site.directory, drop_in))

        yield start


#: What a job may do under the unit, and what it is refused.
ALLOWED = {
    "free memory", "boot id", "cgroups", "writing beside the app", "writing to /tmp", "shared memory", "compiled code",
    "ctypes callbacks", "another program", "killing a child", "niceness", "pinning to processors", "IPv4",
    "network interfaces", "names of hosts",
}  # fmt: skip
REFUSED = {
    "writing to /usr": "EROFS", "writing to /var": "EROFS", "raw packets": "EAFNOSUPPORT", "user namespaces": "EPERM",
    "the clock": "EPERM", "the host's name": "EPERM", "devices": "ENOENT", "setuid programs": "EPERM",
}  # fmt: skip


def test_start_returns_when_a_worker_is_ready_whose_jobs_have_what_they_need_and_no_more(
    site: Site, boot: Boot
) -> None:
    systemd = boot()
    systemd.ctl("start", UNIT)
    assert systemd.show(UNIT, "ActiveState") == "active"
    assert systemd.show(UNIT, "StatusText") == "1 of 1 workers ready"
    eventually(lambda: systemd.log().count("worker.ready") == 1, what="the log says so")
    found = site.wait_for(site.send("look_around"), State.KEPT).result
    assert found == dict.fromkeys(ALLOWED, "ok") | REFUSED


def test_a_reload_and_a_worker_killed_as_for_want_of_memory_leave_the_service_its_main_pid(
    site: Site, boot: Boot
) -> None:
    systemd = boot()
    systemd.ctl("start", UNIT)
    main, [old] = systemd.main(UNIT), systemd.workers(UNIT)
    shut = site.directory / "current" / "shut"
    shut.touch()  # the new worker waits for that while it loads the app
    systemd.ctl("reload", "--no-block", UNIT)
    eventually(lambda: len(systemd.workers(UNIT)) == 2, PATIENCE_S, "a new worker starts")
    eventually(lambda: systemd.is_in_state(UNIT, "reloading"), PATIENCE_S, "jqd says that it reloads")
    site.wait_for(site.send("quick"), State.KEPT)  # by the old worker
    shut.unlink()
    eventually(lambda: systemd.is_in_state(UNIT, "active"), PATIENCE_S, "the reload ends")
    eventually(lambda: len(systemd.workers(UNIT)) == 1, PATIENCE_S, "the old worker goes")
    assert systemd.workers(UNIT) != [old]
    assert systemd.main(UNIT) == main

    [worker] = systemd.workers(UNIT)
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    os.kill(worker, signal.SIGKILL)
    site.wait_for_start(job, 2, PATIENCE_S)
    site.gate().touch()
    assert site.wait_for(job, State.KEPT).crashes == 1
    assert (systemd.show(UNIT, "ActiveState"), systemd.show(UNIT, "NRestarts")) == ("active", "0")
    assert systemd.main(UNIT) == main
    assert systemd.show(UNIT, "OOMPolicy") == "continue"


def test_a_swapped_release_link_is_noticed_although_systemd_knows_nothing_of_it(site: Site, boot: Boot) -> None:
    """JQ_DIRECTORY is why: with WorkingDirectory= jqd would stand in the release that the link led to first."""
    app = "from jqjobs import App\napp = App()\n@app.job\ndef release(): return {number}\n"
    systemd = boot(JQ_APP="shop:app", JQ_WATCH="auto")
    for number in (1, 2):
        (site.directory / f"release{number}").mkdir()
        (site.directory / f"release{number}" / "shop.py").write_text(app.format(number=number))
    _swap(site.directory, "release1")
    systemd.ctl("start", UNIT)
    main = systemd.main(UNIT)
    assert site.wait_for(site.send("release"), State.KEPT).result == 1
    _swap(site.directory, "release2")
    eventually(
        lambda: site.wait_for(site.send("release"), State.KEPT).result == 2, PATIENCE_S, "the new release is at work"
    )
    assert systemd.main(UNIT) == main


def _swap(directory: Path, release: str) -> None:
    """Have the link `current` lead to a release, in one step, as deployment tools do."""
    (directory / "next").symlink_to(release)
    (directory / "next").rename(directory / "current")


def test_a_daemon_that_stands_still_is_killed_and_its_successor_takes_the_job_up(site: Site, boot: Boot) -> None:
    systemd = boot("WatchdogSec=3\nRestartSec=100ms\nLimitCORE=0\n")
    systemd.ctl("start", UNIT)
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    main = systemd.main(UNIT)
    main.suspend()
    eventually(lambda: not main.is_running(), PATIENCE_S, "the watchdog bites")
    site.wait_for_start(job, 2, PATIENCE_S)
    assert systemd.show(UNIT, "NRestarts") == "1"
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    assert (info.executions, info.crashes, info.interrupts) == (2, 0, 0)


def test_stop_ends_jqd_alone_which_lets_the_job_finish_and_nothing_is_left(site: Site, boot: Boot) -> None:
    systemd = boot()
    systemd.ctl("start", UNIT)
    heard = site.directory / "heard"
    site.wait_for(site.send("keep_child", str(heard)), State.KEPT)
    eventually(heard.exists, PATIENCE_S, "a process that a job left behind")
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    running = systemd.pids(UNIT)
    assert len(running) >= 3  # jqd, its worker, and that process
    systemd.ctl("stop", "--no-block", UNIT)
    eventually(lambda: "SIGTERM" in systemd.log(), PATIENCE_S, "jqd hears TERM")
    assert systemd.is_in_state(UNIT, "deactivating")
    site.gate().touch()
    info = site.wait_for(job, State.KEPT)
    eventually(lambda: systemd.is_in_state(UNIT, "inactive"), PATIENCE_S, "the unit is stopped")
    assert (info.executions, info.interrupts) == (1, 0)
    assert (systemd.show(UNIT, "Result"), systemd.show(UNIT, "ExecMainStatus")) == ("success", "0")
    assert heard.read_text() == "here\n"
    assert systemd.pids(UNIT) == []
    assert [pid for pid in running if is_running(pid)] == []


def test_a_drain_may_take_longer_than_the_stop_time_out(site: Site, boot: Boot) -> None:
    systemd = boot("TimeoutStopSec=1\n")
    systemd.ctl("start", UNIT)
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    systemd.ctl("stop", "--no-block", UNIT)
    eventually(lambda: systemd.is_in_state(UNIT, "deactivating"), PATIENCE_S, "the stop begins")
    began_s = time.monotonic()
    eventually(lambda: time.monotonic() - began_s > 2.5, PATIENCE_S, "the stop time-out has passed")
    site.gate().touch()
    assert site.wait_for(job, State.KEPT).executions == 1
    eventually(lambda: systemd.is_in_state(UNIT, "inactive"), PATIENCE_S, "the unit is stopped")
    assert systemd.show(UNIT, "Result") == "success"


def test_a_quiet_daemon_that_is_stopped_takes_no_job(site: Site, boot: Boot) -> None:
    """systemd sends a CONT after its TERM, and CONT alone is the end of quiet."""
    systemd = boot()
    systemd.ctl("start", UNIT)
    site.wait_for(site.send("quick"), State.KEPT, PATIENCE_S)  # its first trip would still be on its way
    systemd.ctl("kill", "--kill-whom=main", "--signal=USR2", UNIT)
    eventually(lambda: _state_in_registry(site) == "quiet", PATIENCE_S, "the daemon is quiet")
    job = site.send("quick")
    systemd.ctl("stop", UNIT)
    assert "SIGCONT" in systemd.log()
    info = job.info()
    assert (info.state, info.executions) == (State.READY, 0)


def _state_in_registry(site: Site) -> str:
    """Return what the only daemon says of itself."""
    with closing(Store(parse_url(site.server.url))) as store:
        (daemon,) = read_registry(store).daemons
    return daemon.state


def test_the_target_starts_restarts_and_stops_all_instances(site: Site, boot: Boot) -> None:
    systemd = boot()
    both = ("jqd@1.service", "jqd@2.service")
    wants = site.directory / "units" / "jqd.target.wants"  # as `systemctl enable` does
    wants.mkdir()
    for unit in both:
        (wants / unit).symlink_to("../jqd@.service")
    systemd.ctl("daemon-reload")
    systemd.ctl("start", "jqd.target")
    eventually(lambda: all(systemd.is_in_state(unit, "active") for unit in both), PATIENCE_S, "both run")
    before = [systemd.show(unit, "MainPID") for unit in both]
    systemd.ctl("restart", "jqd.target")
    eventually(lambda: all(systemd.is_in_state(unit, "active") for unit in both), PATIENCE_S, "both run again")
    after = [systemd.show(unit, "MainPID") for unit in both]
    assert not set(before) & set(after)
    assert {f"name=jqd-{number}" for number in (1, 2)} <= set(systemd.log().split())
    systemd.ctl("stop", "jqd.target")
    eventually(lambda: all(systemd.is_in_state(unit, "inactive") for unit in both), PATIENCE_S, "both are stopped")


def test_a_wrong_option_fails_the_start_and_is_not_tried_again(site: Site, boot: Boot) -> None:
    systemd = boot(JQ_BATCH="many")
    assert systemd.try_ctl("start", UNIT).returncode != 0
    assert systemd.is_in_state(UNIT, "failed")
    assert systemd.show(UNIT, "ExecMainStatus") == "64"


def test_an_app_that_does_not_load_fails_the_start_and_is_tried_again(site: Site, boot: Boot) -> None:
    systemd = boot(JQ_APP="nowhere:app")
    assert systemd.try_ctl("start", UNIT).returncode != 0
    assert systemd.show(UNIT, "ExecMainStatus") == "78"
    assert systemd.show(UNIT, "SubState") == "auto-restart"
