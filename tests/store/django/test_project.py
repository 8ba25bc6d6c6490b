"""A Django project and its own tests, `tests/django_project`: with this Python, and newer Djangos where these are.

`make django` makes the environments of those; a Django of another version is another process anyway.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from servers import Server
from unit.docs.pages import ROOT

PROJECT = ROOT / "tests" / "django_project"
PYTHONS = {"here": Path(sys.executable)} | {
    version: ROOT / f".venv-django-{version}" / "bin" / "python" for version in ("6.0", "6.1")
}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_tests_of_the_project_pass(any_server: Server, version: str) -> None:
    python = PYTHONS[version]
    if not python.exists():
        pytest.skip(f"no {python.relative_to(ROOT)}: make django")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JQ_", "PYTHON"))}
    environment = own | {
        "JQ_REDIS_URL": any_server.url, "DJANGO_SETTINGS_MODULE": "project_settings", "PYTHONDONTWRITEBYTECODE": "1"
    }  # fmt: skip
    words = [python, "-W", "error", "-m", "django", "test", "--pythonpath", ".", "--pattern", "*_cases.py"]
    done = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran, done.stderr
    assert int(ran[1]) > 50
