"""Periodic jobs with real daemons: each tick once whoever is there, edits, ends, and what came while all were away."""

from __future__ import annotations

import json
import signal

from e2e.daemon import Site
from jqjobs.store.calls.schedules import Planned, TickAnswer, agenda, tick
from jqjobs.store.reads.jobs import job_info
from waiting import eventually

DAY_MS = 86_400_000

APP = """
import json
import os

from jqjobs import App, current_job

app = App()


@app.periodic(every="{every}", args=["{word}"], catch_up="30d")
@app.job(keep="1h")
def beat(word):
    job = current_job()
    with open(os.environ["JQ_TEST_JOURNAL"], "a") as file:
        file.write(json.dumps({{"id": job.id, "word": word, "attempt": job.attempt}}) + "\\n")
"""


def write_app(site: Site, every: str = "1s", word: str = "old") -> str:
    return site.write_app("beating", APP.format(every=every, word=word))


def runs(site: Site) -> list[tuple[int, str]]:
    """Tick in ms and word of every first attempt, as the jobs noted them, in the order of ticks."""
    path = site.directory / "journal"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    notes = [_parsed(line) for line in lines if line.endswith("\n")]
    return sorted((int(note["id"].split("-")[1]), note["word"]) for note in notes if note["attempt"] == 1)


def _parsed(line: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(line)
    return found


def planned(site: Site) -> Planned:
    [found] = site.client.run(agenda("default")).schedules or ()
    return found


def run_for(site: Site, count: int) -> list[tuple[int, str]]:
    """Wait until ``count`` more ticks have run."""
    before = len(runs(site))
    eventually(lambda: len(runs(site)) >= before + count, 60, f"{count} more ticks")
    return runs(site)


def test_two_daemons_run_each_tick_once_and_one_of_them_is_enough(site: Site) -> None:
    app = write_app(site)
    daemons = [site.start_daemon("--app", app) for _ in range(2)]
    run_for(site, 6)
    daemons[0].kill()
    run_for(site, 4)

    ticks = [each for each, _ in runs(site)]
    assert len(set(ticks)) == len(ticks)
    assert {each % 1000 for each in ticks} == {0}
    late_ms = sorted(enqueued_ms(site, each) - each for each in ticks)
    assert late_ms[0] >= 0, "never before its time"
    assert late_ms[len(late_ms) // 2] <= 1000, "punctual, but for moments in which this machine was busy"


def enqueued_ms(site: Site, tick_ms: int) -> int:
    info = site.client.run(job_info("default", f"beat-{tick_ms}"))
    assert info is not None
    assert info.enqueued_ms is not None
    return info.enqueued_ms


def test_an_edit_comes_with_a_reload_and_a_removal_ends_the_schedule(site: Site) -> None:
    daemon = site.start_daemon("--app", write_app(site), "--lease", "2")
    run_for(site, 1)
    write_app(site, word="new")
    daemon.send(signal.SIGHUP)
    eventually(lambda: "new" in {word for _, word in runs(site)}, 60, "a tick of the new code")
    words = [word for _, word in run_for(site, 2)]
    assert words == sorted(words, reverse=True), "the new entry took the place of the old one"

    site.write_app("beating", "from jqjobs import App\n\napp = App()\napp.job(print)\n")
    daemon.send(signal.SIGHUP)
    eventually(lambda: not planned(site).offered, 60, "the end of the schedule")
    since_ms = planned(site).since_ms
    assert since_ms is not None
    too_late = site.client.run(tick("default", "beat", since_ms, since_ms + 1000, [since_ms + 1000]))
    assert too_late.answer is TickAnswer.ENDED, "whoever would tick it now is refused"


def test_daemons_that_were_away_for_three_days_run_the_latest_tick_once(site: Site) -> None:
    app = write_app(site, every="1d")
    site.start_daemon("--app", app).kill()
    since_ms = planned(site).since_ms
    assert since_ms is not None
    site.server.call("HSET", "jq:{default}:ticks", "beat", f"{since_ms - 3 * DAY_MS} 0 ")
    site.start_daemon("--app", app, wait=False)
    site.start_daemon("--app", app)
    [(ran_ms, _)] = eventually(lambda: runs(site), 60, "the tick that was missed")

    assert ran_ms % DAY_MS == 0
    assert abs(since_ms - ran_ms) < DAY_MS + 60_000
    assert planned(site).ran_ms == ran_ms
    assert [each for each, _ in runs(site)] == [ran_ms]


def test_a_zone_that_does_not_exist_keeps_the_daemon_from_starting_and_says_so(site: Site) -> None:
    text = 'from jqjobs import App\n\napp = App()\n\n\n@app.periodic("0 3 * * *", tz="Mars/Olympus")\ndef x(): ...\n'
    daemon = site.start_daemon("--app", site.write_app("martian", text), wait=False)
    assert daemon.wait() == 78
    assert "Mars/Olympus" in daemon.events("app.failed")[0]["error"]
