"""Raw envelopes while all workers are busy: what is urgent does not wait for those before it to be taken in."""

from __future__ import annotations

import json

from e2e.daemon import Site
from jqjobs.jobs.records import State
from waiting import eventually

#: At a hundred each time the daemon keeps house they took two minutes.
ENVELOPES = 6000


def test_an_urgent_envelope_behind_thousands_is_next_when_the_worker_is_free(site: Site) -> None:
    site.start_daemon("--lease", "30")
    held = site.send("hold", str(site.gate()))
    site.wait_for_start(held)
    quick, urgent = (json.dumps({"job": "quick", **more}) for more in ({}, {"id": "urgent", "priority": 1000}))
    site.server.call("LPUSH", "jq:{default}:inbox", *[quick] * ENVELOPES, urgent)
    eventually(lambda: site.status().ready == ENVELOPES + 1, 40, "all are in their order")
    site.gate().touch()
    site.wait_for(held, State.KEPT)
    eventually(lambda: len(site.notes("start")) > 1)
    assert site.notes("start")[1].id == "urgent"
