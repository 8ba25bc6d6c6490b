"""A PostgreSQL of Debian's package for tests, in a directory of its own and gone with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.ports import free_port

#: Those of the newest version.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/15/bin"))


@contextmanager
def postgres(directory: Path) -> Iterator[int]:
    """Start a server in a new directory; yield its port. It trusts whoever connects from this machine."""
    data, port = directory / "data", free_port()
    directory.mkdir()
    who = _somebody(directory)
    _run(who, "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "--locale", "C", "-E", "UTF8")
    options = f"-p {port} -k {directory} -c fsync=off -c listen_addresses=127.0.0.1"
    _run(who, "pg_ctl", "-D", str(data), "-o", options, "-l", str(directory / "log"), "-w", "start")
    try:
        yield port
    finally:
        _run(who, "pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(directory)


def _somebody(directory: Path) -> dict[str, Any]:
    """Return as whom it runs: not as root, which it refuses."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(who: dict[str, Any], program: str, *words: str) -> None:
    done = subprocess.run(
        [PROGRAMS / program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", timeout=60, **who
    )
    assert done.returncode == 0, done.stderr.decode()
