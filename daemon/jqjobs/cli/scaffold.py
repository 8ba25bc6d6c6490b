"""The text of a new job and of its test, and where in a module it goes. Touches no file."""

from __future__ import annotations

import ast

_JOB = '''@{app}.job(queue="{queue}", max_attempts=5)
def {name}(number: int) -> None:
    """Say here what it does. It may run twice: let a second run do no harm."""
    print(f"{name} {{number}}")
'''
_TEST = '''"""What {name} does."""

from jqjobs.testing import in_memory

{imports}


def test_{name}_runs() -> None:
    with in_memory({app}) as jobs:
        {name}.enqueue(1)
        jobs.assert_enqueued({name}, 1)
        assert jobs.drain(raise_errors=True) == 1
'''


def text_of_job(name: str, app: str, queue: str) -> str:
    """Return the source of a job. ``app``: what the app is called in its module."""
    return _JOB.format(name=name, app=app, queue=queue)


def text_of_test(name: str, module: str, app: str, app_module: str) -> str:
    """Return the source of a test of a job in ``module``. ``app``: what the app is called where it is imported from."""
    if module == app_module:
        imports = [f"from {module} import {', '.join(sorted((app, name), key=_import_order))}"]
    else:
        imports = sorted([f"from {app_module} import {app}", f"from {module} import {name}"])
    return _TEST.format(name=name, app=app, imports="\n".join(imports))


def _import_order(name: str) -> tuple[int, str]:
    """Sort constants before classes before the rest, as tools that sort imports do."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def with_job(source: str, job: str) -> str:
    """Return a module with a job at its end, before what it does as a program: that needs all jobs."""
    lines = source.rstrip("\n").split("\n")  # not `splitlines`: it breaks texts at characters that end no line of code
    at = next((node.lineno - 1 for node in ast.parse(source).body if _is_program(node)), len(lines))
    before, after = "\n".join(lines[:at]).rstrip(), "\n".join(lines[at:])
    return f"{before}\n\n\n{job}" + (f"\n\n{after}\n" if after else "")


def _is_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )
