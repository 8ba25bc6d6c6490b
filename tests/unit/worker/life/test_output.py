"""What is printed in a worker: a line is one write, whichever thread prints it, and is there at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4] / "daemon"


def printed(script: str) -> str:
    """Return what a process prints that has set up its output as a worker does, and ends as if it was killed."""
    code = f"import os, sys\nfrom jqjobs.worker.life.output import print_lines\nprint_lines()\n{script}\nos._exit(0)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("size", [10, 9000, 100_000])
def test_lines_that_were_printed_are_there_when_the_process_is_not(size: int) -> None:
    said = printed(f"print('o' * {size})\nprint('é' * {size}, file=sys.stderr)\nprint('unfinished', end='')")
    assert said == "o" * size + "\n" + "é" * size + "\n"


def test_a_line_is_one_write() -> None:
    script = """
from jqjobs.worker.life import output
sizes = []
write = output._Whole.write
output._Whole.write = lambda self, data: sizes.append(len(data)) or write(self, data)
for size in (10, 5000, 50_000):
    print("x" * size)
print(sizes)
"""
    assert printed(script).splitlines()[-1] == "[11, 5001, 50001]"


def test_a_child_can_print_whoever_was_printing_when_it_was_forked() -> None:
    script = """
import threading, warnings
from jqjobs.base import log
warnings.simplefilter("ignore")  # Python 3.12 says that forks are dangerous, and whose turn it is to print waits for us
taken, done = threading.Event(), threading.Event()
def hold():
    with log.TURN:
        taken.set()
        done.wait()
threading.Thread(target=hold, daemon=True).start()
taken.wait()
if not os.fork():
    print("the child")
    os._exit(0)
os.wait()
done.set()
"""
    assert printed(script) == "the child\n"


def test_a_terminal_that_is_gone_fails_nobody_who_prints() -> None:
    script = """
master, terminal = os.openpty()
os.dup2(terminal, 1)
os.close(terminal)
os.close(master)
print("lost")
print("not lost", file=sys.stderr)
"""
    assert printed(script) == "not lost\n"


@pytest.mark.parametrize("encoding", ["ascii", "ascii:surrogateescape"])  # the latter where there is no locale
def test_what_the_encoding_lacks_fails_nobody_who_prints(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    assert printed("print('\\u20ac \\udc80')") == "\\u20ac \\udc80\n"


@pytest.mark.parametrize(
    "how",
    [
        "sys.stdout.close()",
        "with sys.stdout: pass",
        "sys.stdout.detach()",
        "io.TextIOWrapper(sys.stdout.buffer)",  # it closes what it is around when it goes
        "os.close(1)",
        "open(sys.stdout.fileno(), 'w')",  # it closes the descriptor when it goes
    ],
)
def test_who_closes_the_output_closes_it_for_nobody(how: str) -> None:
    assert printed(f"import io\nprint('one')\n{how}\nprint('two')") == "one\ntwo\n"
