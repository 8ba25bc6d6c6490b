"""docs/tutorial.md as one sitting: its files, its commands and its answers, in the order of the page.

A shell stands for the second terminal. What the page has people wait for (`sleep 3`) is not slept through: a command
that looks is given again until it answers what the page shows. Not done here: what installs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import kill_embedded, require, require_program
from unit.docs.pages import TUTORIAL, Fence, commands, fences, shape
from waiting import eventually

#: Other tests and people may have the port of the dashboard.
ANY_PORT = " --listen 127.0.0.1:0"
NOT_HERE = ("python3 -m venv", ". .venv", "pip install", "sleep ")
#: Commands that change nothing, and may be given again.
LOOKS = ("jqctl status", "jqctl job list", "jqctl job show", "jqctl errors", "jqctl schedule list", "jqctl doctor")
#: How long a person looks at a screen for what the page shows.
PATIENCE_S = 20


class Sitting:
    """Whoever reads the page: a shell in a directory, files, and programs that run in terminals of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JQ_")}
        self._environment = {
            **kept,
            "PATH": path,
            "HOME": str(home),
            "PYTHONPATH": "",
            "JQ_RUNTIME_DIR": str(home / "run"),
        }
        self._shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                       cwd=home, env=self._environment, stderr=subprocess.STDOUT)  # fmt: skip
        self._running: list[subprocess.Popen[bytes]] = []
        self.ids: dict[str, str] = {}

    @property
    def directory(self) -> Path:
        return Path(self.type("pwd").strip())

    def type(self, command: str) -> str:
        """Give the shell a command, and return what it prints."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\necho ::end\n")
        return "".join(iter(self._shell.stdout.readline, "::end\n"))

    def start(self, command: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Run a command in a terminal of its own; return it and what it prints into."""
        screen = self.home / f"screen-{len(self._running)}"
        with screen.open("wb") as printed:
            process = subprocess.Popen(command.split(), cwd=self.directory, env=self._environment, stdout=printed,
                                       stderr=subprocess.STDOUT)  # fmt: skip
        self._running.append(process)
        return process, screen

    def write(self, block: Fence) -> None:
        """Write a file of the page, or add to it."""
        name, _, added = block.title.partition(" ")
        path = self.directory / name
        path.write_text((path.read_text() + "\n\n" if added else "") + block.body)

    def do(self, command: str, shown: str) -> None:
        """Give a command, and compare its answer with what the page shows. Ids of the page stand for real ones."""
        patience_s = PATIENCE_S if command.startswith(LOOKS) else 0
        for written, real in self.ids.items():
            command = command.replace(written, real)

        def answers() -> str:
            printed = self.type(command)
            is_as_shown = not shown or re.fullmatch(as_pattern(shown), shape(printed) + "\n") is not None
            assert is_as_shown, printed
            return printed or " "

        printed = eventually(answers, patience_s, command)
        self.ids |= dict(zip(ids_in(shown), ids_in(printed), strict=False))  # of lines left out there are more

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        self._shell.communicate("exit\n")
        kill_embedded(self.home / "shop" / ".jqjobs")


def as_pattern(shown: str) -> str:
    """What is shown, numbers aside; a line `…` stands for any lines."""
    return re.escape(shape(shown) + "\n").replace("…\\\n", r"(?:.*\n)*")


def ids_in(text: str) -> list[str]:
    return re.findall(r"\b[a-z0-9]{16}\b", text)


def has(screen: Path, *words: str) -> None:
    """Wait until a terminal shows these words, in this order."""
    eventually(lambda: re.search(".*".join(words), screen.read_text(), re.DOTALL), PATIENCE_S, f"{words} in a terminal")


@pytest.fixture
def sitting(tmp_path: Path) -> Iterator[Sitting]:
    require("valkey")
    require_program("git")
    sitting = Sitting(tmp_path)
    yield sitting
    sitting.end()


def test_the_tutorial_goes_as_it_is_written(sitting: Sitting) -> None:
    screens: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
    for block in fences(TUTORIAL):
        if block.title:
            sitting.write(block)
            continue
        for command, shown in commands(block.body):
            if command == "jqctl web":
                screens["web"] = sitting.start(command + ANY_PORT)
            elif command.startswith("jqd ") and not shown:
                screens["jqd"] = sitting.start(command)
                has(screens["jqd"][1], "worker.ready", "worker.ready")
            elif not command.startswith(NOT_HERE):
                sitting.do(command, shown)
    daemon, screen = screens["jqd"]
    has(screen, r"welcome, user 42 \(default\)", "job.failed.*Retry: not uploaded yet", "worker.replaced", "still here")
    has(screens["web"][1], "http://")
    address = re.search(r"http://\S+", screens["web"][1].read_text())
    assert address
    assert b"reports" in urllib.request.urlopen(address[0], timeout=30).read()
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(PATIENCE_S) == 0
