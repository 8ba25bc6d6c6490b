"""lua/ingest.lua and rules/arrival/envelope.lua: raw envelopes become jobs or go to `rejected`, bytes kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.errors import StoreError
from jqjobs.store.calls import leases
from store.queue_system import START_MS, QueueSystem

MIB = 1024 * 1024


def test_an_envelope_becomes_a_ready_job_whose_payload_is_its_own_bytes(system: QueueSystem) -> None:
    raw = b' {"job" : "mail", "args":[], "kwargs":{}, "meta":{"n":9007199254740993}}\n'
    system.push(raw)

    assert system.ingest() == (1, 0, 0, 0)
    [job] = system.take("w")
    assert (job.name, job.payload) == ("mail", raw)


def test_envelopes_are_taken_from_the_end_producers_pushed_first(system: QueueSystem) -> None:
    system.push({"job": "n", "id": "first"}, {"job": "n", "id": "second"}, {"job": "n", "id": "third"})
    system.ingest()

    assert system.ids("ready") == ["first", "second", "third"]


@pytest.mark.parametrize("part", ["rejected", "ready"])
def test_where_a_key_is_damaged_no_envelope_beside_it_is_lost(system: QueueSystem, part: str) -> None:
    system.push({"job": "n", "id": "first"}, "no envelope", {"job": "n", "id": "last"})
    system.redis("SET", system.key(part), "x")
    with pytest.raises(StoreError):
        system.ingest()
    system.tend()
    system.ingest()
    assert [job.id for job in system.take("w", 5)] == ["first", "last"]
    assert system.redis("LLEN", system.key("inbox")) == 0


def test_envelopes_without_an_id_get_different_ones(system: QueueSystem) -> None:
    system.push(*[{"job": "n"}] * 100)

    assert system.ingest(nonce="abc") == (100, 0, 0, 0)
    assert len(set(system.ids("ready"))) == 100
    assert all(job_id.startswith("abc") for job_id in system.ids("ready"))


def test_optional_keys_are_stored_as_fields(system: QueueSystem) -> None:
    system.push(
        {
            "job": "n", "id": "a", "priority": 5, "key": "k", "max_attempts": 7, "max_crashes": 8,
            "timeout_ms": 9, "expires_ms": 10, "keep_ms": 11, "args": [1], "kwargs": {"x": 1}, "meta": {},
        }
    )  # fmt: skip
    assert system.ingest() == (1, 0, 0, 0)

    stored = system.job("a")
    del stored["payload"]
    assert stored == {
        "name": "n", "enqueued": str(START_MS), "priority": "5", "key": "k", "max_attempts": "7", "max_crashes": "8",
        "timeout": "9", "expires": str(START_MS + 10), "keep": "11", "attempt": "0",
    }  # fmt: skip
    assert system.score("ready", "a") == -5 * 2**40 + 1


@pytest.mark.parametrize(
    ("when", "due"),
    [
        ({"delay_ms": 500}, START_MS + 500),
        ({"due_ms": START_MS + 900}, START_MS + 900),
        ({"delay_ms": 5, "due_ms": 1}, START_MS + 5),
        ({"delay_ms": 0}, None),
        ({"delay_ms": -10}, None),
        ({"due_ms": START_MS}, None),
        ({"due_ms": 0}, None),
    ],
)
def test_a_delay_counts_from_ingestion_and_what_is_due_is_ready(
    system: QueueSystem, when: dict[str, int], due: int | None
) -> None:
    system.push({"job": "n", "id": "a"} | when)
    system.ingest()

    assert system.score("scheduled", "a") == due
    assert system.states("a") == ["ready" if due is None else "scheduled"]


def test_an_envelope_waits_as_its_job_was_registered_unless_it_says_otherwise(system: QueueSystem) -> None:
    system.run(leases.publish("q", 30_000, {"slow": {"delay_ms": 500}}))
    envelopes: list[dict[str, Any]] = [{}, {"priority": 3}, {"delay_ms": 0}, {"due_ms": 0}, {"delay_ms": 7}]
    system.push(*({"job": "slow", "id": f"a{n}"} | envelope for n, envelope in enumerate(envelopes)))
    system.ingest()

    due = [system.score("scheduled", f"a{n}") for n in range(len(envelopes))]
    assert due == [START_MS + 500, START_MS + 500, None, None, START_MS + 7]


REFUSED: list[tuple[str, Any]] = [
    ("not_object", b""),
    ("not_object", b"[1]"),
    ("not_object", b'"text"'),
    ("not_object", b"null"),
    ("not_object", b"\x00\xff"),
    ("not_json", b"{"),
    ("not_json", b'{"job":"n"} trailing'),
    ("not_json", b'{"job":"n",}'),
    ("not_json", b'{"job":"n","args":' + b"[" * 1500 + b"]" * 1500 + b"}"),
    ("bad_field: unknown key jobs", {"jobs": "n"}),
    ("bad_field: unknown key bogus", {"job": "n", "bogus": 1}),
    ("bad_field: unknown key a??b", {"job": "n", "a\n\x1bb": 1}),
    ("bad_field: unknown key ", {"job": "n", "": 1}),
    ("bad_field: job has the wrong type", {"job": 5}),
    ("bad_field: job has the wrong type", {"job": None}),
    ("bad_field: id has the wrong type", {"job": "n", "id": 5}),
    ("bad_field: args has the wrong type", {"job": "n", "args": "text"}),
    ("bad_field: kwargs has the wrong type", {"job": "n", "kwargs": 1}),
    ("bad_field: meta has the wrong type", {"job": "n", "meta": True}),
    ("bad_field: key has the wrong type", {"job": "n", "key": 1}),
    ("bad_field: key takes", {"job": "n", "key": ""}),
    ("bad_field: key takes", {"job": "n", "key": "k" * 257}),
    ("bad_field: priority is not an integer", {"job": "n", "priority": "5"}),
    ("bad_field: priority is not an integer", {"job": "n", "priority": 1.5}),
    ("bad_field: priority is not an integer", {"job": "n", "priority": True}),
    ("bad_field: priority is not an integer", b'{"job":"n","priority":NaN}'),
    ("bad_field: priority is out of range", {"job": "n", "priority": 4096}),
    ("bad_field: priority is out of range", {"job": "n", "priority": -4097}),
    ("bad_field: priority is out of range", b'{"job":"n","priority":1e400}'),
    ("bad_field: delay_ms is out of range", {"job": "n", "delay_ms": 10**15}),
    ("bad_field: due_ms is out of range", {"job": "n", "due_ms": -1}),
    ("bad_field: due_ms is out of range", {"job": "n", "due_ms": 2**60}),
    ("bad_field: max_attempts is out of range", {"job": "n", "max_attempts": 0}),
    ("bad_field: max_crashes is out of range", {"job": "n", "max_crashes": 10**7}),
    ("bad_field: timeout_ms is out of range", {"job": "n", "timeout_ms": 0}),
    ("bad_field: expires_ms is out of range", {"job": "n", "expires_ms": -1}),
    ("bad_field: keep_ms is out of range", {"job": "n", "keep_ms": 0}),
    ("no_job", {}),
    ("no_job", {"args": []}),
    ("bad_name", {"job": ""}),
    ("bad_name", {"job": "has space"}),
    ("bad_name", {"job": "-dash"}),
    ("bad_name", {"job": "newline\n"}),
    ("bad_name", {"job": "zero\x00"}),
    ("bad_name", {"job": "n" * 129}),
    ("bad_name", {"job": "n", "id": ""}),
    ("bad_name", {"job": "n", "id": "a b"}),
    ("bad_name", {"job": "n", "id": "ä"}),
]


@pytest.mark.parametrize(
    ("reason", "envelope"), REFUSED, ids=[f"{n}-{reason.split(':')[0]}" for n, (reason, _) in enumerate(REFUSED)]
)
def test_what_is_not_valid_is_rejected_with_reason_and_bytes(system: QueueSystem, reason: str, envelope: Any) -> None:
    raw = json.dumps(envelope).encode() if isinstance(envelope, dict) else envelope
    system.push(raw, {"job": "n", "id": "behind"})

    assert system.ingest() == (1, 1, 0, 0)
    [(why, kept)] = system.rejected()
    assert why.startswith(reason)
    assert kept == raw
    assert system.states("behind") == ["ready"]


LENIENT = [
    b'{"job":"n","id":"a","args":[NaN]}',
    b'{"job":"n","id":"a","args":[0x10]}',
    b'{"job":"n","id":"a","args":[007]}',
    b'{"job":"n","id":"a","meta":{"x":"\xff\xfe"}}',
]


@pytest.mark.parametrize("raw", LENIENT)
def test_what_only_a_strict_parser_refuses_keeps_its_bytes_for_the_worker(real_system: QueueSystem, raw: bytes) -> None:
    real_system.push(raw)

    assert real_system.ingest() == (1, 0, 0, 0)
    [job] = real_system.take("w")
    assert job.payload == raw


def test_a_lone_surrogate_is_not_held_against_what_stands_behind_it(system: QueueSystem) -> None:
    system.push(b'{"job":"n","id":"a","args":["\\ud800"]}', {"job": "n", "id": "b"})
    accepted, rejected, _, left = system.ingest()

    assert (accepted + rejected, left) == (2, 0)
    assert system.states("b") == ["ready"]


def test_an_envelope_of_ten_megabytes_is_rejected_and_holds_nothing_up(real_system: QueueSystem) -> None:
    system = real_system  # the fake server cannot send a reply of this size
    raw = b'{"job":"n","meta":{"x":"' + b"x" * (10 * MIB) + b'"}}'
    system.push(raw, {"job": "n", "id": "behind"})
    while system.ingest()[3]:
        pass

    [(why, kept)] = system.rejected()
    assert why.startswith("too_large")
    assert kept == raw
    assert system.states("behind") == ["ready"]


def test_an_envelope_of_exactly_one_mebibyte_is_accepted(system: QueueSystem) -> None:
    frame = b'{"job":"n","meta":{"x":"%s"}}'
    system.push(frame % (b"x" * (MIB - len(frame) + 2)))

    assert system.ingest() == (1, 0, 0, 0)


def test_the_same_id_or_key_again_counts_as_present(system: QueueSystem) -> None:
    system.push(
        {"job": "n", "id": "a"}, {"job": "n", "id": "a"}, {"job": "n", "id": "b", "key": "k"}, {"job": "n", "key": "k"}
    )

    assert system.ingest() == (2, 0, 2, 0)
    assert system.ids("ready") == ["a", "b"]


def test_a_call_moves_at_most_100_envelopes(system: QueueSystem) -> None:
    system.push(*[{"job": "n", "id": f"j{i}"} for i in range(150)])

    assert system.ingest() == (100, 0, 0, 50)
    assert system.ingest() == (50, 0, 0, 0)
    assert system.ids("ready") == [f"j{i}" for i in range(150)]


def test_a_call_stops_after_256_kib(system: QueueSystem) -> None:
    system.push(*[{"job": "n", "id": f"j{i}", "args": ["x" * 100_000]} for i in range(10)])

    assert system.ingest() == (3, 0, 0, 7)


def test_an_empty_inbox_writes_nothing(system: QueueSystem) -> None:
    assert system.ingest() == (0, 0, 0, 0)
    assert system.redis("DBSIZE") == 0


def test_the_catalog_gives_the_priority_an_envelope_leaves_out(system: QueueSystem) -> None:
    system.run(leases.publish("q", 1000, {"urgent": {"priority": 7}}))
    system.push({"job": "urgent", "id": "a"}, {"job": "urgent", "id": "b", "priority": 0})
    system.ingest()

    assert system.score("ready", "a") == -7 * 2**40 + 1
    assert system.score("ready", "b") == 2


@pytest.mark.parametrize("published", [{}, {"priority": 7}, {"delay_ms": 500}, {"priority": 7.5}, {"priority": "x"}])
def test_the_short_way_of_most_envelopes_leads_where_the_long_one_does(
    system: QueueSystem, published: dict[str, Any]
) -> None:
    said: list[dict[str, Any]] = [{}, {"priority": 3}, {"id": "a"}, {"id": "a"}, {"priority": -4096}, {"meta": {}}]
    said += [{"job": "no name"}, {"id": "g", "group": "g"}, {}, {"priority": 3}, {"id": "b", "priority": 0}]
    came = []
    for queue, more in (("short", {}), ("long", {"tags": []})):  # no tags: as if nothing was said of them
        system.run(leases.publish(queue, 30_000, {"n": published}))
        system.push(*({"job": "n"} | each | more for each in said), queue=queue)
        counts = system.ingest(queue)
        places = [
            system.redis("ZRANGE", system.key(part, queue), 0, -1, "WITHSCORES") for part in ("ready", "scheduled")
        ]
        ids = [job_id.decode() for place in places for job_id in place[::2]]
        came.append((counts, places, [system.job(job_id, queue) | {"payload": ""} for job_id in ids]))
    assert came[0] == came[1]


def test_rejected_is_bounded_by_count(system: QueueSystem) -> None:
    for _ in range(11):
        system.push(*["no"] * 100)
        system.ingest()

    assert system.redis("LLEN", system.key("rejected")) == 1000
    assert system.meta("rejected_bytes") == 2000


def test_rejected_is_bounded_by_bytes(real_system: QueueSystem) -> None:
    huge = b"{" + b"\n" * (30 * MIB)
    for _ in range(3):
        real_system.push(huge)
        real_system.ingest()

    assert len(real_system.rejected()) == 2
    assert real_system.meta("rejected_bytes") == 2 * len(huge)
