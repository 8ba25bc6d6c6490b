"""Which release began to run when: a fleet that changes daemon by daemon is deployed once."""

from __future__ import annotations

from jqjobs.daemon.lease_messages import Report
from jqjobs.daemon.leases.release_marks import ReleaseMarks
from jqjobs.store.calls.deploys import note_release
from jqjobs.store.reads.deploys import Deploy, read_deploys
from jqjobs.store.reads.rates import MinuteRate
from jqjobs.web.pages.charts import Mark, rate_chart
from store.queue_system import START_MS, QueueSystem

MINUTE_MS = 60_000
KEY = "jq:{~}:deploys"


def test_daemons_that_change_one_after_the_other_make_one_deploy(system: QueueSystem) -> None:
    said = []
    for release in ("v1", "v2", "v1", "v2"):  # a daemon that still had the old code began anew
        said.append(system.run(note_release(release)))
        system.clock.advance(MINUTE_MS)
    assert said == [True, True, False, False]
    system.clock.advance(60 * MINUTE_MS)
    assert [system.run(note_release(release)) for release in ("v2", "v1")] == [False, True]  # gone back, later
    system.redis("LPUSH", KEY, b"nonsense", b"x y")
    assert read_deploys(system.store) == [
        Deploy(START_MS + 64 * MINUTE_MS, "v1"), Deploy(START_MS + MINUTE_MS, "v2"), Deploy(START_MS, "v1"),
    ]  # fmt: skip


def test_a_hundred_are_kept(system: QueueSystem) -> None:
    for n in range(110):
        system.run(note_release(f"v{n}"))
    assert [each.release for each in read_deploys(system.store)] == [f"v{n}" for n in range(109, 9, -1)]


def test_a_daemon_tells_of_the_release_of_its_newest_ready_worker_and_only_when_that_changes(
    system: QueueSystem,
) -> None:
    def report(**releases: str) -> Report:
        workers = {name: {"state": name.split("_")[0], "started_ms": n, "release": release}
                   for n, (name, release) in enumerate(releases.items())}  # fmt: skip
        return Report({}, workers)

    marks = ReleaseMarks(system.store)
    for seen in (
        report(starting="v1"),
        report(ready="v1", starting="v2"),
        report(ready="v1", busy="v2"),
        report(),
        report(ready=""),
    ):
        marks.look(seen)
    assert [each.release for each in read_deploys(system.store)] == ["v2", "v1"]
    system.redis("DEL", KEY)
    marks.look(report(busy="v2"))
    assert read_deploys(system.store) == []


def test_a_chart_shows_the_deploys_of_its_minutes() -> None:
    now_ms = START_MS // MINUTE_MS * MINUTE_MS + 30_000
    deploys = [Deploy(now_ms - 15 * MINUTE_MS, "0123456789abcdef"), Deploy(now_ms - 70 * MINUTE_MS, "old")]
    chart = rate_chart([MinuteRate(1, 0)] * 60, deploys, now_ms)
    assert chart.marks == [Mark(445.0, "0123456789ab deployed 15 minutes ago")]
    assert chart.words.endswith("a minute; 0123456789ab deployed 15 minutes ago")
