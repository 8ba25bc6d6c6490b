"""The daemon's next image: which files it is made of, how it is started, and whether it would work at all.

`jqd --check` reads the settings and loads the app in a process of its own, before the daemon stakes its life on them.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from jqjobs.daemon.deploys.fingerprints import digest
from jqjobs.daemon.deploys.release import Release

_CHECK_S = 60.0


def command_of(release: Release) -> list[str]:
    """Return the command that starts this daemon again, in the same directory however it was told of it."""
    command, directory = [sys.executable, *sys.orig_argv[1:]], ["--directory", str(release.directory)]
    return command if command[-2:] == directory else command + directory


def own_files() -> list[Path]:
    """Return the files of jqjobs itself."""
    package = Path(__file__).parents[2]
    # os.walk passes over what vanishes while an installation is under way; Path.rglob raises.
    return [Path(at, name) for at, _, names in os.walk(package) for name in names if name.endswith((".py", ".lua"))]


def own_digests() -> dict[Path, bytes]:
    """Return the contents of jqjobs' own files, as digests: some hundred files, read only when something changed."""
    return {path: digest(str(path)) for path in own_files()}


class ImageCheck:
    """At most one `jqd --check` at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] = io.BytesIO()
        self._until_s = 0.0

    @property
    def children(self) -> set[int]:
        """The process that was started here and is not waited for yet."""
        return {self._process.pid} if self._process is not None else set()

    def start(self, release: Release) -> str:
        """Check a release, instead of the one that is being checked; return why that is impossible, "" as a rule."""
        self.end()
        command = [*command_of(release), "--check"]
        try:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  no pipe: nobody reads while it runs
            self._process = subprocess.Popen(
                command, cwd=release.directory, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # what it says comes in the order in which it says it
            )  # fmt: skip
        except OSError as error:
            self._said.close()
            return f"{command[0]} cannot be started: {error}"
        self._until_s = time.monotonic() + _CHECK_S
        return ""

    def verdict(self) -> str | None:
        """Return None while it goes on, once then "" if the new image is fine, else what is wrong with it."""
        assert self._process is not None
        code = self._process.poll()
        if code is None and time.monotonic() <= self._until_s:
            return None
        if code is None:
            verdict = f"jqd --check took longer than {_CHECK_S:g} s"
        else:
            verdict = "" if code == 0 else _complaint(self._said) or f"jqd --check ended with {code}"
        self.end()
        return verdict

    def end(self) -> None:
        """End the check, if there is one."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        self._said.close()


def _complaint(said: IO[bytes]) -> str:
    """Return what `jqd --check` complained of: its own line, or the end of a traceback and the place."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
    lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line.removeprefix("jqd: ") for line in lines if line.startswith("jqd: ")]
    if errors or not lines:
        return errors[-1] if errors else ""
    place = next((line.strip() for line in reversed(lines) if line.lstrip().startswith("File ")), "")
    return f"{lines[-1]} ({place})" if place else lines[-1]
