"""The states of a job: the code, the scripts, and docs/protocol.md's table and drawing know the same ones."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from jqjobs.jobs.records import State

LUA = Path(str(files("jqjobs.store") / "lua"))
PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
STATES = {state.value for state in State}
#: Each state is a set of that name but for one: what is on its way lies in `transfers`.
SETS = STATES - {"moving"} | {"transfers"}
#: Where a job comes from and where it ends; none of these is a state.
ENDS = {"new", "gone", "rejected"}
#: The drawing begins before there is a job, and names what happens on the way.
BEFORE = {"inbox", "ingest"}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)^## ", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def lists_in_scripts() -> dict[str, set[str]]:
    """The lists of states that scripts go through, by file."""
    found = {}
    for path in LUA.rglob("*.lua"):
        for names in re.findall(r"for _, state in ipairs\(\{ ([^}]*) \}\)", path.read_text("utf-8")):
            found[path.stem] = set(re.findall(r"'(\w+)'", names))
    return found


def test_the_table_of_arrows_knows_the_states_of_the_code_and_no_other() -> None:
    arrows = [(start, end) for start, end, *_ in rows("States")]
    starts = {name for start, _ in arrows for name in start.split(", ")}
    ends = {name for _, end in arrows for name in end.split(", ")}

    assert starts == STATES | {"new"}
    assert ends == STATES | ENDS - {"new"}


def test_the_drawing_knows_the_states_of_the_code_and_no_other() -> None:
    drawing = section("States").split("```")[1]
    pointed_at = set(re.findall(r"▶ *(\w+)", drawing))

    assert set(re.findall(r"\w+", drawing)) >= STATES | ENDS - {"new"}
    assert pointed_at <= STATES | ENDS | BEFORE


def test_each_state_is_a_key() -> None:
    keys = {row[0] for row in rows("Keys")}

    assert {f"`jq:{{q}}:{state}`" for state in SETS - {"active"}} <= keys
    assert "`jq:{q}:active:<worker>`" in keys


def test_inspecting_a_job_looks_into_every_state() -> None:
    assert lists_in_scripts()["inspect"] | {"active"} == SETS


@pytest.mark.parametrize("name", sorted(lists_in_scripts()))
def test_no_script_looks_into_a_state_that_there_is_not(name: str) -> None:
    assert lists_in_scripts()[name] <= SETS
