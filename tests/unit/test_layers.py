"""No two modules of the package need each other, directly or through others.

The contracts in pyproject.toml say which room may import which; this covers every module, imports in functions and
those for types alone included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def circle_in(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the modules of a circle, each before what it imports and the first one again at the end; else none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # it names what is imported first
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("jqjobs", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    circle = circle_in(imports)

    assert not circle, " → ".join(circle)


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]}, ["b", "c", "d", "b"]),
        ({"a": ["a"]}, ["a", "a"]),
    ],
)
def test_a_circle_is_named(imports: dict[str, list[str]], circle: list[str]) -> None:
    assert circle_in(imports) == circle
