"""README.md and CONTRIBUTING.md: what they say of the tree and of figures is so."""

from __future__ import annotations

import re
import tomllib

from unit.docs.pages import PACKAGE, ROOT, first_cells, section

README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_rooms_are_those_of_the_contract_highest_first() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    rows = re.findall(r"^\| `.*", section(CONTRIBUTING, "How the house is laid out"), re.MULTILINE)
    assert [first_cells(row) for row in rows] == layers


def test_each_file_that_contributors_are_sent_to_is_there() -> None:
    named = re.findall(r"`([\w.]+/[\w./]*)`", CONTRIBUTING.replace("NAME.lua", "").replace("cli/ROOM/NAME.py", "cli/"))
    assert len(named) > 15
    assert [name for name in named if not any((place / name).exists() for place in (ROOT, PACKAGE))] == []


def test_each_target_of_make_that_is_named_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README + CONTRIBUTING)) - targets == set()


def test_each_figure_of_the_readme_is_one_of_the_benchmarks() -> None:
    told = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    [chapter] = re.findall(r"^## Why this one\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    figures = re.findall(r"\d+(?:[.,]\d+)*(?: no-op| MiB| ms)|(?<=beside )\d+", chapter)
    numbers = {figure.split()[0] for figure in figures}
    assert len(numbers) >= 4
    assert {
        number for number in numbers if not re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d.,]\d|\d)", told)
    } == set()
