"""The shared Lua under lua/rules/: each file is small, says what it needs and what it gives, and both are true."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

LUA = Path(str(files("jqjobs.store") / "lua"))
SOURCES = {path.relative_to(LUA).with_suffix("").as_posix(): path.read_text("utf-8") for path in LUA.rglob("*.lua")}
RULES = sorted(name.removeprefix("rules/") for name in SOURCES if name.startswith("rules/"))


def source(rule: str) -> str:
    return SOURCES[f"rules/{rule}"]


def header(rule: str) -> str:
    """The comment that a rule begins with."""
    found = re.match(r"(?:--.*\n)+", source(rule))
    assert found, f"{rule} has no header"
    return found[0]


@cache
def needs(name: str) -> list[str]:
    """The rules that a file includes."""
    return " ".join(re.findall(r"^ *--: include (.+)$", SOURCES[name], re.MULTILINE)).split()


@cache
def all_needs(name: str) -> set[str]:
    """Return the rules that a file stands on, those of its rules too."""
    return {each for rule in needs(name) for each in ({rule} | all_needs(f"rules/{rule}"))}


def given(rule: str) -> set[str]:
    """What the header says that others may use."""
    said = re.findall(r"^-- Gives: (.+)$", header(rule), re.MULTILINE)
    assert len(said) == 1, f"{rule} does not say once what it gives"
    return set(said[0].split(", "))


@cache
def declared(name: str) -> set[str]:
    """The locals of a file that are not inside a function: what begins a line, or follows that after a comma."""
    lists = re.findall(r"^local (?:function )?([\w, ]+)", SOURCES[name], re.MULTILINE)
    return {word for names in lists for word in names.strip().split(", ")}


@cache
def words(name: str) -> set[str]:
    """Every name that the code of a file speaks of; not fields, comments and texts."""
    code = re.sub(r"'(?:\\.|[^'\\\n])*'|--.*", "''", SOURCES[name])
    code = re.sub(r"([{,] )\w+ = ", r"\1", code)
    return set(re.findall(r"(?<![.\w:])[A-Za-z_]\w*", code))


GIVERS = {word: rule for rule in RULES for word in given(rule)}


def test_a_rule_is_at_most_sixty_lines_of_at_most_a_hundred_and_twenty_characters() -> None:
    lines = {rule: source(rule).splitlines() for rule in RULES}

    assert [rule for rule in RULES if len(lines[rule]) > 60 or max(map(len, lines[rule])) > 120] == []


def test_a_rule_declares_what_it_gives_and_says_what_it_is_about() -> None:
    for rule in RULES:
        assert given(rule) - declared(f"rules/{rule}") == set(), rule
        assert [line for line in header(rule).splitlines() if not line.startswith(("--:", "-- Gives:"))], rule


def test_what_a_rule_declares_together_it_gives_together_or_not_at_all() -> None:
    for rule in RULES:
        for names in re.findall(r"^local ([\w, ]+) =", source(rule), re.MULTILINE):
            together = set(names.split(", "))
            assert given(rule) & together in (set(), together), rule


def test_a_rule_gives_nothing_that_nobody_uses() -> None:
    for rule in RULES:
        used = {word for name in SOURCES if name != f"rules/{rule}" and rule in needs(name) for word in words(name)}
        assert given(rule) - used == set(), rule


def test_a_file_includes_what_it_uses_and_nothing_else() -> None:
    for name in SOURCES:
        foreign = words(name) - declared(name)
        used = {GIVERS[word] for word in foreign if word in GIVERS} - {name.removeprefix("rules/")}
        included = needs(name)
        # What two of them need stands before both, else each would have its own.
        shared = {rule for rule in included if sum(rule in all_needs(f"rules/{other}") for other in included) > 1}
        assert used <= set(included) <= used | shared, name


def test_no_name_stands_for_two_things() -> None:
    """A second local of one name would hide the first from all that is included after it."""
    names = Counter(word for rule in RULES for word in declared(f"rules/{rule}"))

    assert [word for word, times in names.items() if times > 1] == []


def test_rules_do_not_go_round_in_circles() -> None:
    left = {rule: set(needs(f"rules/{rule}")) for rule in RULES}
    while free := [rule for rule, above in left.items() if not above & left.keys()]:
        for rule in free:
            del left[rule]

    assert left == {}


def test_every_rule_is_used() -> None:
    assert {rule for name in SOURCES for rule in needs(name)} == set(RULES)
