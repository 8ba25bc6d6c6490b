"""A MariaDB of Debian's package for tests, in a directory of its own and gone with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

from servers import program
from waiting import eventually

#: Debian has the server where only root looks.
SERVER = program("mariadbd") or ("/usr/sbin/mariadbd" if Path("/usr/sbin/mariadbd").exists() else None)


@contextmanager
def mariadb(directory: Path) -> Iterator[str]:
    """Start a server in a new directory; yield its unix socket. Its root has no password, its database is ``test``."""
    data, socket = directory / "data", directory / "socket"
    directory.mkdir()
    who = f"--user={getuser()}"
    own = {**os.environ, "TMPDIR": str(directory)}  # as it starts it removes temporary tables there, whosever they are
    made = subprocess.run(
        ["mariadb-install-db", "--no-defaults", who, f"--datadir={data}", "--auth-root-authentication-method=normal"],
        capture_output=True, timeout=120, check=False, env=own,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr.decode()
    (data / "test").mkdir(exist_ok=True)
    options = ["--skip-networking", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2", "--skip-grant-tables"]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(SERVER), "--no-defaults", who, f"--datadir={data}", f"--socket={socket}", *options],
            stdout=log, stderr=log, env=own,
        )  # fmt: skip
        try:
            eventually(socket.exists, 60, "a MariaDB that listens")
            yield str(socket)
        finally:
            server.terminate()
            server.wait(60)
            shutil.rmtree(directory)
