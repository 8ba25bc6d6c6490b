"""All scripts: their files, and for each one a call as its Python side makes it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import NewJob
from jqjobs.jobs.selector import Selector
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.call import Call
from jqjobs.store.calls import batches, daemons, enqueueing, job_notes, leases, moves, telling, transfers, trips, upkeep
from jqjobs.store.calls.added import add_schedule, added_by_name, coming, remove_schedule, tick_added
from jqjobs.store.calls.alerts import claim_alert, told_alert
from jqjobs.store.calls.audit import note_act
from jqjobs.store.calls.cancels import cancel, cancels
from jqjobs.store.calls.deaths import deaths
from jqjobs.store.calls.deploys import note_release
from jqjobs.store.calls.endings import job_end
from jqjobs.store.calls.fast_trips import fast_trip
from jqjobs.store.calls.memory import sample_memory
from jqjobs.store.calls.partitions import close_place, partitions, set_partitions
from jqjobs.store.calls.recalls import recall
from jqjobs.store.calls.relaying import relay, relayed
from jqjobs.store.calls.schedules import agenda, plan, suspend, tick
from jqjobs.store.calls.statistics import add_statistics
from jqjobs.store.calls.tail import TailEvent, listen, tell
from jqjobs.store.calls.turns import Charge, call_workers, claim_round, take_called
from jqjobs.store.calls.waits import expect, resolve
from jqjobs.store.reads import jobs, queues, search
from jqjobs.store.reads.limits import held_limits
from jqjobs.store.reads.search import Cursor

LUA = Path(str(files("jqjobs.store") / "lua"))
OPERATIONS = sorted(path.stem for path in LUA.glob("*.lua"))

JOB = NewJob("n", b"{}", id="a", key="k", fields=("keep", 1))
IN_HAND = TakenJob("q", "a", 1, "n", b"{}")

TRANSFER = transfers.Transfer(
    "b", "1-1", "q", "ready", b"1", [b"name", b"n", b"payload", b"{}"], [b"{}"], has_key=False
)

NOTICE = "q/b other/a 1 add"

#: One call of each script, with the most arguments its Python side sends.
CALLS: dict[str, Call[Any]] = {
    "add_statistics": add_statistics("q", {"n": {"started": 1, "done": 1}}, [(1, "a n done 1 -")]),
    "add_schedule": add_schedule("q", "s:1", "{}", replace=True),
    "added": added_by_name("q", ["s:1"]),
    "agenda": agenda("q", 1, "d", 1000),
    "coming": coming("q", 10),
    "remove_schedule": remove_schedule("q", "s:1"),
    "tick_added": tick_added("q", "s:1", 1, 2, 3, [2]),
    "beat": daemons.beat("d", 60_000, 1, {"name": "e", "said": 2}, {"w": {"state": "busy"}}),
    "register": daemons.register("d", 60_000, {"name": "d", "said": 1}, {"w": {"pid": 1, "state": "ready"}}),
    "delete": upkeep.delete("q", ["a"]),
    "promote": upkeep.promote("q", ["a"]),
    "deaths": deaths("q", ["n"], 10),
    "cancel": cancel("q", ["a"]),
    "cancels": cancels("q", ["w"]),
    "count": search.count_jobs("q", Selector(name="n"), Cursor("dead"), "cancelled"),
    "expect": expect("q", "w", "a", 1, "secret"),
    "resolve": resolve("q", "a", "secret", result=b"1"),
    "drain": leases.drain("q", ["w"]),
    "enqueue": enqueueing.enqueue("q", [JOB, NewJob("n", b"{}", id="b")]),
    "empty_inbox": upkeep.empty_inbox("q"),
    "exchange": trips.exchange(
        ["q"], "w", 1, 1, 30_000, in_hand=[IN_HAND],
        outcomes=[Outcome.done(IN_HAND), Outcome.failed(IN_HAND, delay_ms=5, error="e", line=b"{}")],
    ),
    "fast_trip": fast_trip("q", "w", 1, 2, done=[IN_HAND]),
    "single_trip": fast_trip("q", "w", 1, 1, done=[IN_HAND]),
    "held_limits": held_limits("q"),
    "housekeep": upkeep.housekeep("q", 30_000, 10, 1000),
    "move": moves.move("q", "other", ["a"]),
    "transfers": transfers.transfers("q", ["a"]),
    "departures": transfers.departures("q", 0, 0),
    "deliver": transfers.deliver("q", "other", 0, [TRANSFER]),
    "delivered": transfers.delivered("q", [(TRANSFER, transfers.Delivered.DELIVERED)]),
    "acknowledge": transfers.acknowledge("q", "other", ["1-1"]),
    "open_batch": batches.open_batch("q", "b", "nonce", OnDead.WAIT, 1000, b"", b""),
    "close_batch": batches.close_batch("q", "b", 1),
    "cancel_batch": batches.cancel_batch("q", "b"),
    "batch": batches.batch_status("q", "b"),
    "batch_members": batches.batch_members("q", "b", "open"),
    "batches": batches.batches("q"),
    "notices": telling.notices("q", 0, ["down"]),
    "notify": telling.notify("q", [NOTICE]),
    "noticed": telling.noticed("q", [NOTICE]),
    "audit": note_act("ann@web1", "queue pause", {"name": "q"}),
    "call_workers": call_workers("tenant-*", ["tenant-1"]),
    "claim_round": claim_round("tenant-*", "d", 2500),
    "step_out": leases.step_out("q", "w"),
    "take_called": take_called("tenant-*", 2, 64, [Charge("tenant-1", -3, True)]),
    "claim_alert": claim_alert("died q", 900_000, 45_000),
    "told_alert": told_alert("died q", 1),
    "note_release": note_release("v1"),
    "relay": relay("q", [("r", '{"job":"n","id":"r"}')]),
    "relayed": relayed("q", ["r"]),
    "settings": upkeep.settings("q", {"max_dead": 10}),
    "read_partitions": partitions("q"),
    "set_partitions": set_partitions(Partitions("p", range(2)), None),
    "close_place": close_place("p", Partitions("p", range(2)), [("a", "k")]),
    "ingest": enqueueing.ingest("q", "nonce"),
    "inspect": jobs.job_info("q", "a"),
    "join": leases.join_by_turn("q", "w", 30_000, "digest"),
    "add_queues": upkeep.add_queues(["q"]),
    "leave": leases.leave("q", "w", "killed", [BoardEntry("a", 1, "crashed")], "stacks", 0.5),
    "listen": listen("q"),
    "note": job_notes.note("q", "w", "a", 1, b'{"percent":1', [b'{"text":"x"']),
    "pause": upkeep.pause("q"),
    "post": daemons.post_order("d", '{"v":1}'),
    "plan": plan("q", 30_000, "shop:app", {"s": "{}"}),
    "publish": leases.publish("q", 30_000, {"n": {"doc": ""}}),
    "recall": recall("q", "w", [("a", 1)]),
    "offer": leases.offer("q", 30_000, leases.roster(["n"])),
    "renew": leases.renew(["q"], 30_000, ["w"], ["digest"]),
    "result": job_end("q", "a"),
    "retry": upkeep.retry("q", ["a"]),
    "sample_memory": sample_memory(1_000_000),
    "search": search.search("q", Selector(name="n"), Cursor("ready"), 10),
    "status": queues.queue_status("q"),
    "suspend": suspend("q", "s"),
    "tell": tell("q", "w", 0, [TailEvent("started", "a", "q", "n", 1, None, None, 1)]),
    "tick": tick("q", "s", None, 1, [1]),
}  # fmt: skip


def source(name: str) -> str:
    """The text of a script, as its file has it."""
    return (LUA / f"{name}.lua").read_text("utf-8")


def rule(name: str) -> str:
    """The text of what several scripts share."""
    return (LUA / "rules" / f"{name}.lua").read_text("utf-8")


def header(name: str) -> str:
    """The comment a script starts with, without what it includes."""
    found = re.match(r"(?:--.*\n)+", source(name))
    assert found, f"{name} has no header"
    return re.sub(r"^--:.*\n", "", found[0])
