"""The tutorial as one sitting, and the README's example: files, commands and answers, in the order of the page.

A shell stands for the second terminal, and what runs on is in its background. What a page has people wait for
(`sleep 3`) is not slept through: a command that looks is given again until it answers what the page shows. Not done
here: what installs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from servers import kill_embedded, require, require_program
from unit.docs.pages import ID, ROOT, TUTORIAL, Fence, commands, fences, shape
from waiting import PATIENCE_S, eventually

#: Commands that run until they are told to end, and what is added to them: others may have the port of the dashboard.
RUN_ON = {"jqd": "", "jqctl web": " --listen 127.0.0.1:0"}
#: Commands that change nothing, and may be given again.
LOOKS = ("jqctl status", "jqctl job list", "jqctl job show", "jqctl errors", "jqctl schedule list", "jqctl doctor")
NOT_HERE = ("python3 -m venv", ". .venv", "pip install", "sleep ")


class Sitting:
    """Whoever reads a page: a shell in a directory, files, and programs that run in terminals of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JQ_", "PYTHON"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**kept, "PATH": path, "HOME": str(home), "JQ_RUNTIME_DIR": str(home / "run")}
        self._shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                       cwd=home, env=environment, stderr=subprocess.STDOUT)  # fmt: skip
        self._ids: dict[str, str] = {}
        self._pids: dict[str, str] = {}

    def go_through(self, blocks: Sequence[Fence]) -> None:
        """Do what the blocks of a page show, one after the other."""
        for block in blocks:
            if block.title:
                self._write(block)
                continue
            for command, shown in commands(block.body):
                runs_on = next((word for word in RUN_ON if f"{command} ".startswith(f"{word} ") and not shown), "")
                if runs_on:
                    self._start(runs_on, command)
                elif not command.startswith(NOT_HERE):
                    self._do(command, shown)

    def screen(self, program: str) -> str:
        """Return what a program in a terminal of its own has printed."""
        printed = self.home / program
        return printed.read_text("utf-8") if printed.exists() else ""  # the shell may not have got to it yet

    def shows(self, program: str, *words: str) -> None:
        """Wait until a program has printed these words, in this order."""
        pattern = re.compile(".*".join(words), re.DOTALL)
        eventually(lambda: pattern.search(self.screen(program)), PATIENCE_S, f"{words} in the terminal of {program}")

    def interrupt(self, program: str) -> int:
        """Press Ctrl-C in a program's terminal, and return its exit code."""
        pid = self._pids.pop(program)
        return int(self._type(f"kill -INT {pid}; wait {pid}; echo $?"))

    def end(self) -> None:
        for pid in self._pids.values():
            self._type(f"kill -KILL {pid}; wait {pid}")
        self._shell.communicate("exit\n")
        kill_embedded(self.home / "shop" / ".jqjobs")

    def _type(self, command: str) -> str:
        """Give the shell a command, and return what it prints."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\necho ::end\n")
        return "".join(iter(self._shell.stdout.readline, "::end\n"))

    def _write(self, block: Fence) -> None:
        """Write a file of the page, or add to it."""
        name, _, added = block.title.partition(" ")
        path = Path(self._type("pwd").strip()) / name
        path.write_text((path.read_text() + "\n\n" if added else "") + block.body)

    def _start(self, program: str, command: str) -> None:
        self._pids[program] = self._type(f"{command}{RUN_ON[program]} >'{self.home / program}' 2>&1 & echo $!").strip()
        if program == "jqd":
            self.shows(program, "worker.ready", "worker.ready")

    def _do(self, command: str, shown: str) -> None:
        """Give a command, and compare its answer with what the page shows. Ids of the page stand for real ones."""
        for written, real in self._ids.items():
            command = command.replace(written, real)

        def answers() -> str:
            printed = self._type(command)
            is_as_shown = not shown or re.fullmatch(as_pattern(shown), shape(printed) + "\n") is not None
            assert is_as_shown, printed
            return printed or " "

        printed = eventually(answers, PATIENCE_S if command.startswith(LOOKS) else 0, command)
        self._ids |= dict(zip(ids_in(shown), ids_in(printed), strict=False))  # of lines left out there are more


def as_pattern(shown: str) -> str:
    """What is shown, numbers aside; a line `…` stands for any lines."""
    return re.escape(shape(shown) + "\n").replace("…\\\n", r"(?:.*\n)*")


def ids_in(text: str) -> list[str]:
    return re.findall(ID, text)


@pytest.fixture
def sitting(tmp_path: Path) -> Iterator[Sitting]:
    require("valkey")
    require_program("git")
    sitting = Sitting(tmp_path)
    yield sitting
    sitting.end()


def test_the_tutorial_goes_as_it_is_written(sitting: Sitting) -> None:
    sitting.go_through(fences(TUTORIAL))
    for words in (r"welcome, user 42 \(default\)", "job.failed.*Retry: not uploaded yet", "worker.replaced",
                  "still here"):  # fmt: skip
        sitting.shows("jqd", words)
    sitting.shows("jqctl web", "http://")
    [address] = re.findall(r"http://\S+", sitting.screen("jqctl web"))
    assert b"reports" in urllib.request.urlopen(address, timeout=30).read()
    assert sitting.interrupt("jqd") == 0


def test_the_readme_goes_as_it_is_written(sitting: Sitting) -> None:
    sitting.go_through(fences(ROOT / "README.md")[1:])  # the first is what it looks like on a busy day
    sitting.shows("jqd", r"welcome, user 42 \(default\)")
    sitting.shows("jqd", r"welcome, user 7 \(default\)")
    assert sitting.interrupt("jqd") == 0
