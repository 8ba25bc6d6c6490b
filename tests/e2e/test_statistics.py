"""What real workers count, and which ends they tell of: nothing is lost in a drain, and no number ever falls."""

from __future__ import annotations

import signal
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from e2e.daemon import Site
from jqjobs.base.exposition import exposition
from jqjobs.jobs.records import State
from jqjobs.store.reads.metrics import queue_metrics
from jqjobs.store.reads.recent import RecentEnd, recent_ends
from waiting import eventually


def executions(site: Site) -> Counter[tuple[str, str]]:
    """What Prometheus is told: attempts by job name and outcome."""
    with site.client.store() as store:
        families = text_string_to_metric_families(exposition(queue_metrics(store)))
    return Counter({
        (one.labels["job"], one.labels["outcome"]): int(one.value)
        for family in families for one in family.samples if one.name == "jqjobs_executions_total"
    })  # fmt: skip


def ends(site: Site) -> list[RecentEnd]:
    with site.client.store() as store:
        return recent_ends(store, ["default"])


def test_a_success_of_which_nothing_is_kept_is_seen_soon(site: Site) -> None:
    site.start_daemon()
    job = site.send("quick", keep=None)
    [end] = eventually(lambda: ends(site), what="its worker has told of it")
    assert (end.id, end.name, end.outcome) == (job.id, "quick", "done")
    assert job.state() == "succeeded"


def test_counters_survive_restarts_and_crashes_and_never_fall(site: Site) -> None:
    before: Counter[tuple[str, str]] = Counter()
    for round_ in (1, 2):
        daemon = site.start_daemon("--processes", "2")
        for job in site.send_many([("quick",)] * 5):
            site.wait_for(job, State.KEPT)
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
        after = executions(site)
        assert before <= after
        assert after["quick", "done"] == 5 * round_
        before = after

    site.start_daemon()
    site.wait_for(site.send("die_by_signal", signal.SIGKILL, max_crashes=1), State.DEAD)
    after = executions(site)
    assert before <= after
    assert after["die_by_signal", "crashed"] == 1
    assert ends(site)[0].outcome == "crashed"
