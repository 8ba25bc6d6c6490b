"""The names of keys: what Python builds and what the scripts build are the same, one slot per queue."""

from __future__ import annotations

import re

from jqjobs.job import Kind
from jqjobs.store import calls, keys
from store.rig import Rig


def live_through_everything(rig: Rig) -> None:
    """Bring about every key there is."""
    rig.push("no", {"job": "n", "id": "raw", "key": "k"})
    rig.ingest()
    rig.round(Kind.FAILED, 10)
    rig.add("dead", "kept", "parked", "held")
    for kind in (Kind.DISCARDED, Kind.KEPT, Kind.UNKNOWN):
        rig.round(kind, 1000)
    rig.take("w")
    rig.run(calls.publish("q", 1000, {"x": {}}))
    rig.push({"job": "n"})
    rig.tend()


def test_python_and_the_scripts_build_the_same_names(rig: Rig) -> None:
    live_through_everything(rig)
    rig.add("ready")

    for key in (
        keys.meta("q"), keys.inbox("q"), keys.wake("q"), keys.rejected("q"), keys.job("q", "dead"),
        keys.active("q", "w"), keys.queue("q", "ready"), keys.queue("q", "scheduled"), keys.queue("q", "parked"),
        keys.queue("q", "dead"), keys.queue("q", "kept"), keys.queue("q", "unique"), keys.queue("q", "leases"),
        keys.queue("q", "catalog"), keys.queue("q", "offers"), keys.queue("q", "trip:w"),
        keys.queue("q", "job:dead:history"),
    ):  # fmt: skip
        assert rig.redis("EXISTS", key) == 1, key


def test_every_key_of_a_queue_is_in_its_slot(rig: Rig) -> None:
    live_through_everything(rig)

    assert [key for key in rig.redis("KEYS", "*") if not key.startswith(b"jq:{q}:")] == []


def test_the_registry_has_its_own_names(rig: Rig) -> None:
    rig.run(calls.beat("d1", 1000, {"name": "x"}, {"w1": {"pid": 1}}))

    assert sorted(rig.redis("KEYS", "*")) == sorted(
        key.encode() for key in (keys.DAEMONS, keys.daemon("d1"), keys.worker("w1"))
    )
    assert (keys.DAEMONS, keys.daemon("d1"), keys.worker("w1")) == ("jq:daemons", "jq:daemon:d1", "jq:worker:w1")


def test_names_with_dots_and_dashes_do_not_run_into_each_other(rig: Rig) -> None:
    rig.add("x", queue="a.b-c_D9")
    rig.add("x", queue="a")

    assert rig.states("x", "a.b-c_D9") == rig.states("x", "a") == ["ready"]
    assert re.fullmatch(r"jq:\{a\.b-c_D9\}:meta", keys.meta("a.b-c_D9"))
