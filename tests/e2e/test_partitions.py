"""A queue gets partitions, and others, while its jobs are enqueued and run: each runs once, and none is left."""

from __future__ import annotations

import json

from e2e.daemon import Site
from jqjobs.jobs.records import State
from waiting import eventually


def test_jobs_run_once_while_the_number_of_partitions_changes(site: Site) -> None:
    daemon = site.start_daemon("--processes", "1")
    jobs = site.send_many([("quick",)] * 20)
    for count in ("3", "2"):
        code, told = site.jqctl("queue", "repartition", "default", count)
        assert (code, len(told["partitions"])) == (0, int(count))
        jobs += site.send_many([("quick",)] * 20)
        with site.client.store() as store:
            for number in range(20):
                envelope = json.dumps({"job": "quick", "id": f"raw-{count}-{number}"})
                store.wire.call("LPUSH", store.address.key("{default}:inbox"), envelope)
    eventually(lambda: len(site.notes("start")) == 100, 60, "all ran")

    ids = [note.id for note in site.notes("start")]
    assert len(set(ids)) == 100
    assert {note.queue for note in site.notes("start")} == {"default"}
    assert daemon.events("worker.recycle")[0]["reason"] == "partitions"
    for job in jobs:
        site.wait_for(job, State.KEPT)
    code, status = site.jqctl("status")
    [queue] = status["queues"]
    assert (queue["name"], queue["ready"], queue["active"], queue["dead"]) == ("default", 0, 0, 0)
    code, shown = site.jqctl("job", "show", f"default/{jobs[-1].id}")
    assert (code, shown["job"]["queue"]) == (0, "default")
    assert shown["job"]["partition"].startswith("default~")
