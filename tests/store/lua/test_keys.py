"""The names of keys: what Python builds and what the scripts build are the same, one slot per queue."""

from __future__ import annotations

import re
from pathlib import Path

import jqjobs.store
from jqjobs.jobs.records import Kind
from jqjobs.store import keys
from jqjobs.store.calls import daemons, leases
from jqjobs.store.reads.damage import OF_BATCH, OF_QUEUE
from store.queue_system import QueueSystem


def live_through_everything(system: QueueSystem) -> None:
    """Bring about every key there is."""
    system.push("no", {"job": "n", "id": "raw", "key": "k"})
    system.ingest()
    system.round(Kind.FAILED, 10)
    system.add("dead", "kept", "parked", "held")
    for kind in (Kind.DISCARDED, Kind.KEPT, Kind.UNKNOWN):
        system.round(kind, 1000)
    system.take("w")
    system.run(leases.publish("q", 1000, {"x": {}}))
    system.push({"job": "n"})
    system.tend()


def test_python_and_the_scripts_build_the_same_names(system: QueueSystem) -> None:
    live_through_everything(system)
    system.add("ready")

    for key in (
        keys.meta("q"), keys.inbox("q"), keys.wake("q"), keys.rejected("q"), keys.job("q", "dead"),
        keys.active("q", "w"), keys.queue("q", "ready"), keys.queue("q", "scheduled"), keys.queue("q", "parked"),
        keys.queue("q", "dead"), keys.queue("q", "kept"), keys.queue("q", "unique"), keys.queue("q", "leases"),
        keys.queue("q", "catalog"), keys.queue("q", "offers"), keys.queue("q", "trip:w"),
        keys.queue("q", "job:dead:history"),
    ):  # fmt: skip
        assert system.redis("EXISTS", f"jq:{key}") == 1, key


def test_python_and_the_scripts_know_of_the_same_types() -> None:
    rules = Path(jqjobs.store.__path__[0]) / "lua/rules"
    mended = (rules / "mend.lua").read_text("utf-8").partition("KINDS = {")[2].partition("}")[0]
    assert {part: kind for kind, parts in OF_QUEUE.items() for part in parts.split()} == dict(
        re.findall(r"(\w+) = '(\w+)'", mended)
    )
    of_batch = (rules / "damaged.lua").read_text("utf-8").partition("PARTS_OF_BATCH = {")[2].partition("}")[0]
    assert dict(re.findall(r"'([:\w]*)'\] = '(\w+)'", of_batch)) == OF_BATCH


def test_every_key_of_a_queue_is_in_its_slot(system: QueueSystem) -> None:
    live_through_everything(system)

    assert [key for key in system.redis("KEYS", "*") if not key.startswith(b"jq:{q}:")] == []


def test_the_registry_has_its_own_names(system: QueueSystem) -> None:
    system.run(daemons.register("d1", 1000, {"name": "x"}, {"w1": {"pid": 1}}))

    assert sorted(system.redis("KEYS", "*")) == sorted(
        f"jq:{key}".encode() for key in (keys.DAEMONS, keys.daemon("d1"), keys.worker("w1"))
    )
    assert (keys.DAEMONS, keys.daemon("d1"), keys.worker("w1")) == ("{~}:daemons", "{~}:daemon:d1", "{~}:worker:w1")


def test_names_with_dots_and_dashes_do_not_run_into_each_other(system: QueueSystem) -> None:
    system.add("x", queue="a.b-c_D9")
    system.add("x", queue="a")

    assert system.states("x", "a.b-c_D9") == system.states("x", "a") == ["ready"]
    assert keys.meta("a.b-c_D9") == "{a.b-c_D9}:meta"
