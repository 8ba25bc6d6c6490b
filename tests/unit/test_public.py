"""`from jqjobs import …`: what is there, that it costs nothing before it is used, and that no error is left out."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import jqjobs
from jqjobs import errors

ROOT = Path(jqjobs.__file__).parent
#: Errors that never leave the package: a script is sent again; a payload becomes the reason why a job was refused; what
#: the dashboard refuses becomes a page.
INTERNAL = {"ScriptMissing", "MalformedPayload", "Unauthenticated", "NotAllowed", "Misdirected", "TooManyGuesses"}


def declared_for_types() -> dict[str, str]:
    """Name → module, as the TYPE_CHECKING block says it."""
    tree = ast.parse(inspect.getsource(jqjobs))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module).removeprefix("jqjobs.") for node in imports for alias in node.names}


def error_names() -> set[str]:
    return {name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, BaseException)}


def test_the_three_lists_of_public_names_agree() -> None:
    assert declared_for_types() == jqjobs._HOMES
    assert sorted(jqjobs.__all__) == sorted({*jqjobs._HOMES, "__version__"})


def test_every_public_name_is_there_and_is_defined_where_it_is_said_to_be() -> None:
    homes = {name: getattr(jqjobs, name).__module__ for name in jqjobs._HOMES}
    assert homes == {name: f"jqjobs.{home}" for name, home in jqjobs._HOMES.items()}


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys, jqjobs; print(*sorted(name for name in sys.modules if name.startswith('jqjobs')))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT.parent)}, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == (["jqjobs", "jqjobs.version"], "")


def test_every_error_is_public_but_those_that_nobody_sees() -> None:
    assert error_names() - set(jqjobs.__all__) == INTERNAL


def test_every_error_that_the_api_raises_or_speaks_of_is_public() -> None:
    spoken_of: set[str] = set()
    for path in (ROOT / "api").glob("*.py"):
        text = path.read_text("utf-8")
        raised = re.findall(r"raise (\w+)\(", text)
        promised = re.findall(r"Raises: ([^\"]*)", text)
        spoken_of |= {word for part in (*raised, *promised) for word in re.findall(r"[A-Z]\w+", part)}
    spoken_of &= error_names()
    assert {"NotFound", "Conflict", "StoreError", "JobFailed", "ConfigError"} <= spoken_of
    assert spoken_of <= set(jqjobs.__all__)
