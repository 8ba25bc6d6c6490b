"""A deploy under load: how many workers take jobs at the worst moment, and what the jobs notice of it."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.daemon import Daemon, Site
from jqjobs import JobHandle
from jqjobs.jobs.records import State
from waiting import eventually

DAEMONS = 6
#: A machine where six daemons start six workers on two cores.
PATIENCE_S = 120

APP = """\
import time
from jqjobs import App
from jobs import note

app = App()

@app.job(keep="1h")
def nap(seconds: float) -> None:
    note("start")
    time.sleep(seconds)
    note("end")
"""


def fewest_taking(daemons: list[Daemon]) -> int:
    """Return how many workers took jobs at the worst moment since all were ready, going by the logs."""
    change = {"worker.ready": 1, "worker.replaced": -1, "worker.died": -1}
    lines = sorted((line for daemon in daemons for line in daemon.lines()), key=lambda line: line.get("ts", 0.0))
    counts = list(itertools.accumulate(change.get(line["event"], 0) for line in lines))
    return min(counts[counts.index(len(daemons)) :])


def test_a_fleet_of_six_daemons_reloads_with_most_workers_taking_jobs(site: Site) -> None:
    app = site.write_app("fleet", APP)
    daemons = [site.start_daemon("--app", app, wait=False) for _ in range(DAEMONS)]
    for daemon in daemons:
        daemon.wait_for_event("worker.ready", 1, PATIENCE_S)
    (site.directory / "fleet.py").write_text(APP + "# another version\n")
    with steady_load(site) as jobs:
        for daemon in daemons:
            daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    assert fewest_taking(daemons) >= DAEMONS / 2
    assert_undisturbed(site, jobs)
    replaced = sorted(daemon.events("worker.replaced")[0]["ts"] for daemon in daemons)
    started = [line["ts"] for daemon in daemons for line in daemon.events("worker.started")[1:]]
    for before, after in itertools.pairwise(replaced):
        between = [at for at in started if before < at < after]
        assert len(between) <= 2, "one daemon after another, not all at once"


def test_throughput_never_falls_to_zero_during_a_rolling_reload(site: Site) -> None:
    daemon = site.start_daemon("--processes", "4")
    with steady_load(site) as jobs:
        eventually(lambda: len(site.notes("end")) > 20)
        daemon.send(signal.SIGHUP)
        daemon.wait_for_event("worker.replaced", 4, PATIENCE_S)
        daemon.wait_for_event("worker.gone", 4, PATIENCE_S)
    assert_undisturbed(site, jobs)
    began, ended = (daemon.events(event)[index]["ts"] for event, index in (("signal", 0), ("worker.gone", -1)))
    longest_s = longest_pause_s(site)
    print(f"reload took {ended - began:.1f} s; the longest pause between two finished jobs {longest_s:.2f} s")
    assert longest_s < max(1.0, (ended - began) / 4), "some worker always finished jobs"


def longest_pause_s(site: Site) -> float:
    ends = sorted(note.at_ms for note in site.notes("end"))
    return max(after - before for before, after in itertools.pairwise(ends)) / 1000


def assert_undisturbed(site: Site, jobs: list[JobHandle]) -> None:
    infos = [site.wait_for(job, State.KEPT, PATIENCE_S) for job in jobs]
    assert {(info.executions, info.interrupts, info.crashes) for info in infos} == {(1, 0, 0)}
    assert len(site.notes("start")) == len(jobs)


@contextmanager
def steady_load(site: Site) -> Iterator[list[JobHandle]]:
    """Enqueue a job of 50 ms every 50 ms while the block runs; yields the jobs so far."""
    jobs: list[JobHandle] = []
    over = threading.Event()

    def produce() -> None:
        while not over.wait(0.05):
            jobs.append(site.send("nap", 0.05))

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        yield jobs
    finally:
        over.set()
        producer.join()
