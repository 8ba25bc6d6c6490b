"""The daemon and its signals: boot, drain, stop, reload, and how much it says when there is nothing to do."""

from __future__ import annotations

import re
import signal
import time

import pytest

from e2e.daemon import Daemon, Site, is_running
from jqjobs.jobs.records import State
from waiting import eventually

#: A signal is obeyed within a second. So long on a machine that is slow or busy; who waits for the grace needs longer.
PROMPT_S = 8.0


def _ends_promptly(daemon: Daemon, number: signal.Signals, *, codes: tuple[int, ...] = (0,)) -> None:
    began = time.monotonic()
    daemon.send(number)
    assert daemon.wait() in codes, daemon.log_text()
    assert time.monotonic() - began < PROMPT_S, daemon.log_text()


def test_term_lets_the_running_job_finish_and_gives_the_others_back_free_and_in_place(site: Site) -> None:
    daemon = site.start_daemon("--prefetch-ms", "10000")
    for job in site.send_many([("quick",)] * 100):  # so that batches have grown
        site.wait_for(job, State.KEPT)
    running, *prefetched = site.send_many([("hold", str(site.gate())), *[("quick",)] * 8])
    site.wait_for_start(running)
    assert {job.state() for job in prefetched} == {State.ACTIVE}
    behind = site.send("quick")
    daemon.send(signal.SIGTERM)
    eventually(lambda: {job.state() for job in prefetched} == {State.READY}, what="given back while the job runs")
    site.gate().touch()
    assert daemon.wait() == 0
    assert running.info().executions == 1
    assert site.status().workers == 0
    for job in prefetched:
        info = job.info()
        assert (info.state, info.executions, info.failures, info.crashes, info.interrupts) == (State.READY, 0, 0, 0, 0)
    site.start_daemon()
    site.wait_for(behind, State.KEPT)
    assert [note.id for note in site.notes("start")[-9:]] == [job.id for job in (*prefetched, behind)]


def test_a_job_that_outlives_the_grace_is_interrupted_free_of_charge(site: Site) -> None:
    daemon = site.start_daemon("--grace", "0.3", "--kill-after", "10")
    jobs = [site.send("nap", 60)]
    site.wait_for_start(jobs[0])
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    info = jobs[0].info()
    assert (info.state, info.interrupts, info.failures, info.crashes, info.executions) == (State.READY, 1, 0, 0, 1)
    assert [attempt.reason for attempt in info.history] == ["interrupted"]
    assert not site.notes("end")


@pytest.mark.parametrize(
    "numbers", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGQUIT]], ids=["INT twice", "QUIT"]
)
def test_a_stop_interrupts_what_runs_at_once(site: Site, numbers: list[signal.Signals]) -> None:
    daemon = site.start_daemon("--processes", "2")
    jobs = [site.send(name, 60) for name in ("nap", "nap_async")]
    workers = [site.wait_for_start(job).pid for job in jobs]
    daemon.send(numbers[0])
    daemon.wait_for_event("signal")
    assert all(map(is_running, workers)), "the first signal waits for the jobs"
    _ends_promptly(daemon, numbers[1])
    for job in jobs:
        info = job.info()
        assert (info.state, info.interrupts, info.failures) == (State.READY, 1, 0)


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.3, 0.5, 0.7])
def test_fault_10_term_at_any_moment_of_the_boot_is_obeyed(site: Site, after_s: float) -> None:
    daemon = site.start_daemon("--jitter", "0.9", wait=False)
    time.sleep(after_s)  # not to wait for something: to hit another moment of the boot
    _ends_promptly(daemon, signal.SIGTERM, codes=(0, -signal.SIGTERM))
    site.tolerates_defects = True  # the interpreter itself may be torn out of its own start


def test_fault_10_term_while_the_app_is_slow_to_import_is_obeyed(site: Site) -> None:
    app = site.write_app("slow", "import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    site.tolerates_defects = True  # the line that the module prints is no JSON
    daemon = site.start_daemon("--app", app, wait=False)
    eventually(lambda: "importing" in daemon.log_text(), what="the import has begun")
    _ends_promptly(daemon, signal.SIGTERM)


def test_fault_10_a_stop_while_the_app_is_slow_to_import_is_obeyed(site: Site) -> None:
    app = site.write_app("slow", "import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    site.tolerates_defects = True
    daemon = site.start_daemon("--app", app, "--kill-after", "30", wait=False)
    eventually(lambda: "importing" in daemon.log_text(), what="the import has begun")
    _ends_promptly(daemon, signal.SIGQUIT)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import missing", "No module named 'missing'"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("from jqjobs import App\napp = App()\n@app.job\ndef f(x: 'Nowhere'): ...", "Nowhere"),
    ],
)
def test_an_app_that_cannot_be_used_ends_the_daemon_with_78_and_names_the_reason(
    site: Site, text: str, complaint: str
) -> None:
    app = site.write_app("bad", text)
    daemon = site.start_daemon("--app", app, wait=False)
    assert daemon.wait() == 78
    [said] = daemon.events("daemon.unusable")
    assert complaint in said["error"]
    assert "Traceback" not in daemon.log_text()


@pytest.mark.parametrize(
    ("flags", "code", "complaint"),
    [
        (["--app", "nonsense"], 78, "package.module:attribute"),
        (["--app", "missing:app"], 78, "there is no module 'missing'"),
        (["--processes", "many"], 64, "--processes"),
    ],
)
def test_a_wrong_setting_is_one_line_on_stderr(site: Site, flags: list[str], code: int, complaint: str) -> None:
    site.tolerates_defects = True  # the line is for people, not JSON
    daemon = site.start_daemon(*flags, wait=False)
    assert daemon.wait() == code
    [line] = daemon.log_text().splitlines()[:1]
    assert complaint in line, "no worker is started for that"
    assert "Traceback" not in daemon.log_text()


def test_fault_13_two_daemons_of_one_name_both_work(site: Site) -> None:
    daemons = [site.start_daemon("--name", "twin") for _ in range(2)]
    jobs = [site.send("hold", str(site.gate())) for _ in range(2)]
    pids = {site.wait_for_start(job).pid for job in jobs}
    assert pids == {pid for daemon in daemons for pid in daemon.workers()}
    site.gate().touch()
    for job in jobs:
        site.wait_for(job, State.KEPT)


def test_hup_replaces_every_worker_and_interrupts_no_job(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    before = daemon.workers()
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("signal")
    other = site.send("quick")
    site.wait_for(other, State.KEPT)  # somebody serves while the reload is under way
    site.gate().touch()
    eventually(lambda: len(daemon.workers()) == 2 and not set(daemon.workers()) & set(before), what="all replaced")
    info = site.wait_for(job, State.KEPT)
    assert (info.executions, info.attempt, info.interrupts) == (1, 1, 0)
    daemon.wait_for_event("worker.ready", 4)
    assert daemon.process.poll() is None
    assert len(daemon.events("worker.started")) == 4
    site.wait_for(site.send("quick"), State.KEPT)


def test_fault_26_a_reload_to_code_that_does_not_load_is_refused_and_the_old_workers_go_on(site: Site) -> None:
    good = "from jqjobs import App\napp = App()\n@app.job\ndef version():\n    return {}\n"
    daemon = site.start_daemon("--app", site.write_app("shop", good.format(1)), "--processes", "2")
    workers = daemon.workers()
    site.write_app("shop", "def broken(:")
    daemon.send(signal.SIGHUP)
    assert "SyntaxError" in daemon.wait_for_event("reload.refused")["error"]
    assert site.wait_for(site.send("version"), State.KEPT).result == 1
    assert daemon.workers() == workers
    site.write_app("shop", good.format(200))
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.replaced", 2)
    eventually(lambda: len(daemon.workers()) == 2, what="the old workers are gone")
    assert not set(workers) & set(daemon.workers())
    assert site.wait_for(site.send("version"), State.KEPT).result == 200


def test_fault_10_fifty_hups_and_two_terms_make_one_drain(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2")
    job = site.send("hold", str(site.gate()))
    site.wait_for_start(job)
    for _ in range(50):
        daemon.send(signal.SIGHUP)
    daemon.wait_for_event("signal")
    for _ in range(2):
        daemon.send(signal.SIGTERM)
    eventually(lambda: any(line["name"] == "SIGTERM" for line in daemon.events("signal")), what="TERM was heard")
    site.gate().touch()
    assert daemon.wait() == 0
    info = job.info()
    assert (info.state, info.executions, info.interrupts) == (State.KEPT, 1, 0)
    assert len(daemon.events("worker.started")) <= 3


def test_an_idle_worker_costs_redis_at_most_four_commands_a_second(site: Site) -> None:
    daemon = site.start_daemon("--processes", "2", "--poll", "1", "--lease", "30", "--jitter", "0.25")
    before, began = _client_commands(site), time.monotonic()
    eventually(lambda: time.monotonic() - began > 4, what="time to count in passed")
    spent = _client_commands(site) - before
    per_worker = spent / (time.monotonic() - began) / len(daemon.workers())
    assert per_worker <= 4, f"{per_worker:.1f} commands a second"


def _client_commands(site: Site) -> int:
    """Commands that clients sent; what scripts call inside is not counted."""
    stats = site.server.call("INFO", "commandstats").decode()
    return sum(int(number) for number in re.findall(r"cmdstat_(?:evalsha|eval|bzpopmin|ping|sadd):calls=(\d+)", stats))
