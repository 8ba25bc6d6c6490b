"""Log events: what the code logs, what base/events declares and what docs/logs.md shows are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from jqjobs.base.events import EVENTS
from unit.base.log_calls import PACKAGE, LogCall, LogCalls

PAGE = PACKAGE.parents[1] / "docs" / "logs.md"


def declared_fields(name: str) -> dict[str, bool]:
    """By name, whether the field of an event is there in any case."""
    return {field.rstrip("?"): not field.endswith("?") for field in EVENTS[name].fields.split()}


def complaints(calls: Iterable[LogCall]) -> Iterator[str]:
    """What calls log that is not declared so."""
    for call in calls:
        for name in sorted(call.names):
            if name not in EVENTS:
                yield f"{call.place} logs {name}, which base/events does not declare"
                continue
            fields = declared_fields(name)
            if call.level != EVENTS[name].level:
                yield f"{call.place} logs {name} as {call.level}"
            for field in sorted(call.fields.keys() - fields):
                yield f"{call.place} logs {name} with {field}, which is not declared"
            for field in sorted(field for field, always in fields.items() if always and not call.fields.get(field)):
                yield f"{call.place} logs {name} perhaps without {field}"


@pytest.fixture(scope="module")
def calls() -> list[LogCall]:
    return list(LogCalls.of_package())


@pytest.fixture(scope="module")
def by_event(calls: list[LogCall]) -> dict[str, list[LogCall]]:
    """The calls that log each event."""
    found: dict[str, list[LogCall]] = {}
    for call in calls:
        for name in call.names:
            found.setdefault(name, []).append(call)
    return found


def row(name: str, calls: list[LogCall]) -> str:
    """The line of docs/logs.md about one event."""
    level, fields, meaning = EVENTS[name]
    processes = ", ".join(sorted({process for call in calls for process in call.processes}))
    shown = " ".join(f"`{field.rstrip('?')}`{'?' if field.endswith('?') else ''}" for field in fields.split())
    return f"| `{name}` | {level} | {processes} | {shown} | {meaning} |"


def test_every_line_that_is_logged_is_declared(calls: list[LogCall]) -> None:
    assert list(complaints(calls)) == []


def test_every_declared_event_and_field_is_logged(by_event: dict[str, list[LogCall]]) -> None:
    assert EVENTS.keys() - by_event.keys() == set()
    for name, calls in by_event.items():
        given = {field for call in calls for field in call.fields}
        always = {field for field in given if all(call.fields.get(field) for call in calls)}
        assert declared_fields(name) == {field: field in always for field in given}, name


def test_events_stand_in_the_order_of_their_names() -> None:
    assert list(EVENTS) == sorted(EVENTS)


def test_the_page_of_log_lines_has_a_row_for_each_event_and_no_other(by_event: dict[str, list[LogCall]]) -> None:
    shown = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert shown == [row(name, by_event[name]) for name in EVENTS], "docs/logs.md: these rows it should have"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("log.event('worker.redy', worker=1, pid=2)", "logs worker.redy, which base/events does not declare"),
        ("log.event('worker.ready', worker=1, pid=2, mood=3)", "logs worker.ready with mood, which is not declared"),
        ("log.event('worker.ready', worker=1)", "logs worker.ready perhaps without pid"),
        ("log.event('worker.ready', worker=1, pid=x or None)", "logs worker.ready perhaps without pid"),
        ("log.event('worker.ready', level=30, worker=1, pid=2)", "logs worker.ready as warning"),
        ("what = 'signal' if x else 'sign'\n log.event(what, name=1)", "logs sign, which base/events does not declare"),
        ("log.event(name, name=1)\n\ndef g(): f('sing')", "logs sing, which base/events does not declare"),
    ],
)
def test_a_line_that_is_not_declared_is_told(source: str, complaint: str) -> None:
    found = list(complaints(LogCalls([("base/x.py", f"def f(name):\n {source}")])))
    assert [text.partition(" ")[2] for text in found] == [complaint]


def test_nothing_that_runs_loads_the_declarations() -> None:
    imports = re.compile(r"jqjobs\.base\.events|jqjobs\.base import .*events")
    assert [path for path in PACKAGE.rglob("*.py") if imports.search(path.read_text("utf-8"))] == []
