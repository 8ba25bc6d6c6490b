"""Header, script and Python call of each Lua file agree; files stay small and whole."""

from __future__ import annotations

import re

from jqjobs.jobs.records import Kind, Status
from jqjobs.store.calls import cancels, deaths, schedules, trips, upkeep, waits
from jqjobs.store.calls.endings import Ending
from jqjobs.store.reads import queues, search
from jqjobs.store.scripts import script
from store.lua.script_calls import CALLS, LUA, OPERATIONS, header, rule, source
from store.queue_system import QueueSystem

PACKAGE = LUA.parent.parent
NUMBERS = {
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
}


def returns(name: str) -> str:
    """What the header says of the answer."""
    return header(name).split("Returns", 1)[1].split("-- First write:", 1)[0]


def items(text: str) -> int:
    """How many items a job, a queue or a schedule has in a flat answer."""
    [word] = re.findall(r"(\w+) items (?:a|for each) (?:job|queue|schedule)", text)
    return NUMBERS[word]


def test_a_script_is_at_most_sixty_lines_of_at_most_a_hundred_and_twenty_characters() -> None:
    lines = {name: source(name).splitlines() for name in OPERATIONS}

    assert [name for name in OPERATIONS if len(lines[name]) > 60 or max(map(len, lines[name])) > 120] == []


def test_a_script_says_its_keys_its_arguments_and_what_it_returns() -> None:
    said = {name: re.sub(r" +", " ", header(name).replace("KEYS[i]", "KEYS[1]")) for name in OPERATIONS}
    words = ("KEYS[1]", "ARGV[1] now", "Returns", "First write: ")

    assert [(name, word) for name in OPERATIONS for word in words if word not in said[name]] == []


def test_every_script_has_a_call_here() -> None:
    assert {name: call.script for name, call in CALLS.items()} == {name: script(name) for name in OPERATIONS}


def test_every_script_that_python_names_exists() -> None:
    named = {
        found
        for path in PACKAGE.rglob("*.py")
        for found in re.findall(r"\bscript\(\"(\w+)\"\)", path.read_text("utf-8"))
    }
    assert named == set(OPERATIONS)


def numbered(name: str) -> set[int]:
    """The numbers that the header gives to arguments."""
    return {int(n) for n in re.findall(r"ARGV\[(\d+)\]", header(name))}


def test_python_sends_at_least_the_arguments_the_header_numbers_and_the_time_first() -> None:
    for name, call in CALLS.items():
        assert numbered(name) == set(range(1, max(numbered(name)) + 1)), name
        assert len(call.args) >= max(numbered(name)), name
        assert call.args[0] == "", name


def test_arguments_without_a_number_are_announced_in_words() -> None:
    more = {name for name, call in CALLS.items() if len(call.args) > max(numbered(name))}

    assert more == {name for name in OPERATIONS if re.search(r"\bthen\b", header(name).split("Returns")[0])}


def test_python_sends_as_many_keys_as_the_header_names() -> None:
    named = {name: [int(n) for n in re.findall(r"KEYS\[(\d+)…?\]", header(name))] or [1] for name in OPERATIONS}

    assert {name: len(call.keys) for name, call in CALLS.items()} == {name: max(found) for name, found in named.items()}


#: Of a queue without partitions there are none.
NONE_TO_TELL = ["read_partitions"]


def not_understood(system: QueueSystem) -> list[str]:
    """The scripts whose answer tells Python nothing; one that fails raises."""
    silent = []
    for name, call in CALLS.items():
        system.redis("FLUSHALL")
        system.add("a", fields=("keep", 5, "timeout", 7))
        system.join("w")
        if system.run(call) is None:
            silent.append(name)
    return silent


def test_python_understands_every_answer(system: QueueSystem) -> None:
    assert not_understood(system) == NONE_TO_TELL


def test_a_fake_server_runs_every_script(fake_system: QueueSystem) -> None:
    """Whose tests have no other must be able to enqueue and run."""
    assert not_understood(fake_system) == NONE_TO_TELL


def listed(names: list[str]) -> set[str]:
    return {name for each in names for name in each.strip().split(", ")}


def test_a_script_sets_no_global() -> None:
    """Assignments at the start of a line are local, or go to a name declared above."""
    for name in OPERATIONS:
        text = script(name).source
        declared = listed(re.findall(r"^local (?:function )?([\w, ]+)", text, re.MULTILINE))
        assigned = listed(re.findall(r"^(\w+(?:, \w+)*) =", text, re.MULTILINE))
        assigned |= set(re.findall(r"^function (\w+)", text, re.MULTILINE))

        assert assigned - declared == set(), name


def test_no_script_uses_what_a_server_may_lack_or_encodes_a_payload_again() -> None:
    words = ("cmsgpack", "struct.", "bit.", "sha1hex", "#!", "cjson.encode(envelope")

    assert [(path.name, word) for path in LUA.rglob("*.lua") for word in words if word in path.read_text("utf-8")] == []


def test_the_kinds_of_outcomes_are_the_same_on_both_sides() -> None:
    table = rule("trip/outcomes").split("local outcomes = {", 1)[1].split("\n}", 1)[0]
    handled = set(re.findall(r"^  (\w+) =", table, re.MULTILINE))
    handled |= set(re.findall(r"^function outcomes\.(\w+)", rule("trip/outcomes_unrun"), re.MULTILINE))

    assert handled == {kind.value for kind in Kind}


def test_the_answers_of_an_exchange_are_the_same_on_both_sides() -> None:
    words = {"OK": "0 ok", "FENCED": "1 FENCED", "LATE": "2 LATE", "FULL": "3 FULL", "NOTHING": "4 NOTHING"}
    assert {status.name for status in Status} == words.keys()
    for status in Status:
        assert words[status.name] in header("fast_trip" if status is Status.FULL else "exchange")
        assert words[status.name].startswith(str(status.value))


def test_the_answers_about_a_result_are_the_same_on_both_sides() -> None:
    words = {"GONE": "{ 0 }", "PENDING": "{ 1 }", "KEPT": "{ 2,", "DEAD": "{ 3,", "MOVED": "{ 4,"}
    assert {ending.name for ending in Ending} == words.keys()
    for ending in Ending:
        assert words[ending.name] in header("result")
        assert str(ending.value) in words[ending.name]


def test_the_answers_to_a_tick_are_the_same_on_both_sides() -> None:
    said = re.findall(r"(\d) (\w+)", returns("tick").split("answer:", 1)[1])

    assert {word.upper(): int(number) for number, word in said} == dict(schedules.TickAnswer.__members__)


def test_the_answers_to_a_cancel_are_the_same_on_both_sides() -> None:
    said = re.findall(r"(-?\d) (\w+)", returns("cancel"))

    assert {int(number): word for number, word in said} == cancels._ANSWERS


def test_the_answers_to_a_retry_are_the_same_on_both_sides() -> None:
    words = {"READY": "1 ready", "NOT_DEAD": "0 not dead", "KEY_TAKEN": "-1 its coalescing key"}

    assert {name: int(said.split(" ")[0]) for name, said in words.items()} == dict(upkeep.Retried.__members__)
    assert {said for said in words.values() if said not in returns("retry")} == set()


def test_the_answers_of_a_resolve_are_the_same_on_both_sides() -> None:
    words = {waits.RESOLVED, waits.EARLY, waits.UNKNOWN, waits.LATE, waits.WRONG_TOKEN, waits.ANSWERED}

    assert set(re.findall(r'"(\w+)"', returns("resolve"))) == words
    assert {word for word in words if f'"{word}"' not in rule("waiting/answer")} == set()


def test_a_taken_job_has_as_many_fields_in_lua_as_in_python() -> None:
    fields = trips._TAKEN_FIELDS

    assert items(header("exchange")) == items(rule("trip/take")) == fields
    assert f"found[n + {fields}]" in rule("trip/hand_out")
    assert f"found[n + {fields + 1}]" not in rule("trip/hand_out")


def test_a_queue_of_plain_jobs_has_as_many_items_in_lua_as_in_python() -> None:
    fields = trips._PLAIN_ITEMS

    assert items(rule("trip/move_head")) == fields
    assert f"plain[n + {fields}]" in rule("trip/move_head")
    assert f"plain[n + {fields + 1}]" not in rule("trip/move_head")


def test_flat_answers_have_as_many_items_in_lua_as_in_python() -> None:
    assert items(returns("agenda")) == schedules._FIELDS
    assert items(returns("cancels")) == len(cancels.Cancelled._fields)
    assert items(returns("deaths")) == deaths._FIELDS
    assert items(returns("search")) == items(rule("search/row")) == search._ROW_FIELDS


def test_the_counts_of_a_queue_stand_in_one_order_in_lua_and_in_python() -> None:
    said = re.findall(r"\w+", returns("status"))

    assert tuple(said[: 1 + len(queues._COUNTS)]) == ("now", *queues._COUNTS)
