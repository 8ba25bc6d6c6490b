"""No key goes to Redis without its prefix, which a name of `jqjobs.store.keys` has not got."""

from __future__ import annotations

import ast
from pathlib import Path

import jqjobs

PACKAGE = Path(jqjobs.__file__).parent
#: Who adds it: a call, when it is sent; the address; who subscribes.
ADDING = ("Call", "key", "subscribe")


def _bare_names(tree: ast.Module) -> list[int]:
    """Return the lines in which a name is used, and nobody adds the prefix to it."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def is_given_to_who_adds_it(node: ast.AST) -> bool:
        while node := parents.get(node):  # type: ignore[assignment]
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ADDING:
                return True
        return False

    uses = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "keys"
    ]  # fmt: skip
    return [node.lineno for node in uses if not is_given_to_who_adds_it(node)]


def test_every_name_of_a_key_is_given_to_somebody_who_adds_the_prefix() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "from jqjobs.store import keys" in path.read_text("utf-8")]
    assert len(files) > 20
    bare = {path.name: lines for path in files if (lines := _bare_names(ast.parse(path.read_text("utf-8"))))}

    assert bare == {}
