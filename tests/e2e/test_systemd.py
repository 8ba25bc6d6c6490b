"""The systemd units, as far as systemd judges them without running them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.chaos.supervision import ROOT, substituted
from servers import require_program

UNITS = ROOT / "deploy" / "systemd"

#: 0 to 10, lower is better; a unit without any hardening has 9.6.
_MOST_EXPOSURE = 60


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a binary, a directory and a user that exist here; an instance as verify wants it."""
    require_program("systemd-analyze")
    changes = {
        "ExecStart=/srv/shop/.venv/bin/jqd": f"ExecStart={Path(sys.executable).parent / 'jqd'}",
        "WorkingDirectory=/srv/shop\n": f"WorkingDirectory={tmp_path}\n",
        "User=shop\n": f"User={pwd.getpwuid(os.getuid()).pw_name}\n",
    }
    text = substituted((UNITS / "jqd@.service").read_text(), changes)
    (tmp_path / "jqd@.service").write_text(text)
    shutil.copy(UNITS / "jqd.target", tmp_path)
    return tmp_path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    command = [require_program("systemd-analyze"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def about_ours(text: str) -> list[str]:
    """Return what was said of our units; those of the machine may have troubles of their own."""
    return [line for line in text.splitlines() if "jqd" in line]


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    (units / "jqd@1.service").symlink_to("jqd@.service")
    done = analyze("verify", units / "jqd@1.service", units / "jqd.target")
    assert (done.returncode, about_ours(done.stderr)) == (0, [])


def test_verify_would_notice_a_missing_binary_and_a_misspelt_setting(units: Path) -> None:
    text = (units / "jqd@.service").read_text()
    (units / "jqd@2.service").write_text(
        text.replace("bin/jqd --name", "bin/gone --name").replace("KillMode", "KilMode")
    )
    done = analyze("verify", units / "jqd@2.service")
    assert done.returncode != 0
    assert "gone" in done.stderr
    assert "KilMode" in done.stderr


def test_the_hardening_counts(units: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={_MOST_EXPOSURE}", units / "jqd@.service")
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
