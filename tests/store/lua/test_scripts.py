"""Header, script and Python call of each Lua file agree; files stay small and whole."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from jqjobs.jobs.records import Kind, NewJob, Outcome, Status, TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.call import Call
from jqjobs.store.calls import daemons, enqueueing, job_notes, leases, trips, upkeep
from jqjobs.store.calls.cancels import cancel, cancels
from jqjobs.store.calls.deaths import deaths
from jqjobs.store.calls.endings import Ending, job_end
from jqjobs.store.calls.recalls import recall
from jqjobs.store.calls.schedules import TickAnswer, agenda, plan, suspend, tick
from jqjobs.store.calls.waits import expect, resolve
from jqjobs.store.reads import jobs, queues
from jqjobs.store.scripts import script
from store.queue_system import QueueSystem

LUA = Path(str(files("jqjobs.store") / "lua"))
PACKAGE = LUA.parent.parent
OPERATIONS = sorted(path.stem for path in LUA.glob("*.lua"))

JOB = NewJob("n", b"{}", id="a", key="k", fields=("keep", 1))
HELD = TakenJob("q", "a", 1, "n", b"{}")

#: One call of each script, with the most arguments its Python side sends.
CALLS: dict[str, Call[Any]] = {
    "agenda": agenda("q", 1),
    "register": daemons.register("d", 1000, {"name": "d"}, {"w": {"pid": 1, "state": "ready"}}),
    "deaths": deaths("q", ["n"], 10),
    "cancel": cancel("q", ["a"]),
    "cancels": cancels("q", ["w"]),
    "expect": expect("q", "w", "a", 1, "secret"),
    "resolve": resolve("q", "a", "secret", result=b"1"),
    "enqueue": enqueueing.enqueue("q", [JOB, NewJob("n", b"{}", id="b")]),
    "exchange": trips.exchange(
        ["q"], "w", 1, 1, 30_000, held=[HELD],
        outcomes=[Outcome("q", "x", 1, Kind.DONE), Outcome("q", "y", 1, Kind.FAILED, 5, "e", b"{}")],
    ),
    "housekeep": upkeep.housekeep("q", 30_000, 10, 1000),
    "ingest": enqueueing.ingest("q", "nonce"),
    "inspect": jobs.job_info("q", "a"),
    "join": leases.join("q", "w", 30_000),
    "add_queues": upkeep.add_queues(["q"]),
    "leave": leases.leave("q", "w", "crash", "killed", [BoardEntry("a", 1, "running")]),
    "list": jobs.job_list("q", "ready", 0, 10),
    "note": job_notes.note("q", "w", "a", 1, b'{"percent":1', [b'{"text":"x"']),
    "pause": upkeep.pause("q"),
    "post": daemons.post_order("d", '{"v":1}'),
    "plan": plan("q", 30_000, {"s": "{}"}),
    "publish": leases.publish("q", 30_000, {"n": {"doc": ""}}),
    "recall": recall("q", "w", [("a", 1)]),
    "renew": leases.renew("q", 30_000, ["w"], ["n"]),
    "result": job_end("q", "a"),
    "retry": upkeep.retry("q", ["a"]),
    "status": queues.queue_status("q"),
    "suspend": suspend("q", "s"),
    "tick": tick("q", "s", None, 1, [1]),
}  # fmt: skip


def source(name: str) -> str:
    return (LUA / f"{name}.lua").read_text("utf-8")


def rule(name: str) -> str:
    return (LUA / "rules" / f"{name}.lua").read_text("utf-8")


def header(name: str) -> str:
    """The comment a script starts with, without what it includes."""
    return re.sub(r"^--:.*\n", "", re.match(r"(?:--.*\n)+", source(name))[0])


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_script_is_at_most_sixty_lines(name: str) -> None:
    assert len(source(name).splitlines()) <= 60


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_script_says_its_keys_its_arguments_and_what_it_returns(name: str) -> None:
    for word in ("KEYS[1]", "ARGV[1] now", "Returns", "First write: "):
        assert word in re.sub(r" +", " ", header(name).replace("KEYS[i]", "KEYS[1]")), word


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_script_has_a_call_here(name: str) -> None:
    assert CALLS[name].script == script(name)


def test_every_script_that_python_names_exists() -> None:
    named = {
        found
        for path in PACKAGE.rglob("*.py")
        for found in re.findall(r"\bscript\(\"(\w+)\"\)", path.read_text("utf-8"))
    }
    assert named == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_python_sends_at_least_the_arguments_the_header_numbers_and_the_time_first(name: str) -> None:
    call = CALLS[name]
    numbered = [int(n) for n in re.findall(r"ARGV\[(\d+)\]", header(name))]

    assert len(call.args) >= max(numbered)
    assert sorted(set(numbered)) == list(range(1, max(numbered) + 1))
    assert call.args[0] == ""


@pytest.mark.parametrize("name", OPERATIONS)
def test_arguments_without_a_number_are_announced_in_words(name: str) -> None:
    more_than_numbered = len(CALLS[name].args) > max(int(n) for n in re.findall(r"ARGV\[(\d+)\]", header(name)))

    assert more_than_numbered == bool(re.search(r"\bthen\b", header(name).split("Returns")[0]))


@pytest.mark.parametrize("name", OPERATIONS)
def test_python_sends_as_many_keys_as_the_header_names(name: str) -> None:
    numbered = [int(n) for n in re.findall(r"KEYS\[(\d+)…?\]", header(name))] or [1]

    assert len(CALLS[name].keys) == max(numbered)


@pytest.mark.parametrize("name", OPERATIONS)
def test_python_understands_every_answer(system: QueueSystem, name: str) -> None:
    system.add("a", fields=("keep", 5, "timeout", 7))
    system.join("w")

    assert system.run(CALLS[name]) is not None


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_script_sets_no_global(name: str) -> None:
    """Assignments at the start of a line are local, or go to a name declared above."""
    text = script(name).source
    declared = set(re.findall(r"^local (?:function )?(\w+)", text, re.MULTILINE))
    declared |= {n for group in re.findall(r"^local ([\w, ]+) =", text, re.MULTILINE) for n in group.split(", ")}
    assigned = set(re.findall(r"^(\w+) =", text, re.MULTILINE)) | set(
        re.findall(r"^function (\w+)", text, re.MULTILINE)
    )

    assert assigned <= declared


@pytest.mark.parametrize("word", ["cmsgpack", "struct.", "bit.", "sha1hex", "#!", "cjson.encode(envelope"])
def test_no_script_uses_what_a_server_may_lack_or_encodes_a_payload_again(word: str) -> None:
    assert not [path.name for path in LUA.rglob("*.lua") if word in path.read_text("utf-8")]


def test_the_kinds_of_outcomes_are_the_same_on_both_sides() -> None:
    table = rule("trip/outcomes").split("local outcomes = {", 1)[1].split("\n}", 1)[0]
    handled = set(re.findall(r"^  (\w+) =", table, re.MULTILINE))
    handled |= set(re.findall(r"^function outcomes\.(\w+)", rule("trip/outcomes_unrun"), re.MULTILINE))

    assert handled == {kind.value for kind in Kind}


def test_the_answers_of_an_exchange_are_the_same_on_both_sides() -> None:
    words = {"OK": "0 ok", "FENCED": "1 FENCED", "LATE": "2 LATE"}
    assert {status.name for status in Status} == words.keys()
    for status in Status:
        assert words[status.name] in header("exchange")
        assert words[status.name].startswith(str(status.value))


def test_the_answers_about_a_result_are_the_same_on_both_sides() -> None:
    words = {"GONE": "{ 0 }", "PENDING": "{ 1 }", "KEPT": "{ 2,", "DEAD": "{ 3,"}
    assert {ending.name for ending in Ending} == words.keys()
    for ending in Ending:
        assert words[ending.name] in header("result")
        assert str(ending.value) in words[ending.name]


def test_the_answers_to_a_tick_are_the_same_on_both_sides() -> None:
    said = re.findall(r"(\d) (\w+)", header("tick").split("answer:", 1)[1])

    assert {word.upper(): int(number) for number, word in said} == dict(TickAnswer.__members__)


def test_a_taken_job_has_as_many_fields_in_lua_as_in_python() -> None:
    fields = trips._TAKEN_FIELDS
    word = {6: "six", 7: "seven", 8: "eight", 9: "nine"}[fields]

    assert f"{word} items a job" in header("exchange")
    assert f"found[n + {fields}]" in rule("trip/hand_out")
    assert f"found[n + {fields + 1}]" not in rule("trip/hand_out")


def test_a_queue_of_plain_jobs_has_as_many_items_in_lua_as_in_python() -> None:
    items = trips._PLAIN_ITEMS
    word = {4: "four", 5: "five"}[items]

    assert f"{word} items a queue" in rule("trip/take_plain")
    assert f"plain[n + {items}]" in rule("trip/take_plain")
    assert f"plain[n + {items + 1}]" not in rule("trip/take_plain")
