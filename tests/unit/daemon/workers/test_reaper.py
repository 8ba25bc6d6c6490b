"""Orphans that became our children are waited for; our own children are left to whoever started them.

Everything happens in a process of its own that is made a subreaper: what a job leaves behind becomes its child.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl(2)")

#: What each script can use. `orphans(n)`: so many processes that ended and whose parent has ended before.
PRELUDE = """
import ctypes, os, subprocess, sys, threading, time
from jqjobs.base.children import Children
from jqjobs.base.shell_line import failure_of
from jqjobs.daemon.workers import reaper
from jqjobs.daemon.workers.reaper import adopts_orphans, reap_strangers
from jqjobs.base.process import processes

def become_subreaper():
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0

def states(own=os.getpid()):
    return {seen.pid: seen.state for seen in processes() if seen.parent == own}

def wait_until(predicate):
    until = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < until, states()
        time.sleep(0.01)

def orphans(count):
    known = set(states())
    parent = os.fork()
    if parent == 0:
        for _ in range(count):
            if os.fork() == 0:
                os._exit(7)
        os._exit(0)
    assert os.waitpid(parent, 0)[1] == 0
    wait_until(lambda: sum(state == "Z" for pid, state in states().items() if pid not in known) == count)

def ended_child():
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    wait_until(lambda: states()[child.pid] == "Z")
    return child
"""


def run(script: str) -> str:
    """Run a script after the prelude; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_orphans_that_ended_are_waited_for_and_counted() -> None:
    said = run("""
        become_subreaper()
        orphans(3)
        print(reap_strangers(()), reap_strangers(()), states())
    """)
    assert said == "3 0 {}\n"


def test_an_exit_status_that_is_ours_is_not_stolen_and_hides_nobody() -> None:
    said = run("""
        become_subreaper()
        first = ended_child()
        orphans(2)
        second = ended_child()
        orphans(1)
        print(reap_strangers({first.pid, second.pid}), sorted(states()) == sorted([first.pid, second.pid]))
        print(reap_strangers({first.pid, second.pid}), first.wait(), second.wait())
    """)
    assert said == "3 True\n0 3 3\n"


def test_what_another_thread_runs_tells_that_one_how_it_ended() -> None:
    said = run("""
        become_subreaper()
        children, said, told = Children(), set(), threading.Event()

        def tell():
            said.update(failure_of("exit 3", 20, start=children.start) for _ in range(50))
            told.set()

        threading.Thread(target=tell).start()
        while not told.wait(0.0005):
            with children.lock:
                reap_strangers(children.pids)
        print(said, children.pids)
    """)
    assert said == "{'failed with 3'} frozenset()\n"


def test_processes_that_still_run_are_not_waited_for() -> None:
    said = run("""
        become_subreaper()
        parent = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.Popen(['sleep', '300'])"])
        parent.wait()
        ours = subprocess.Popen(["sleep", "300"])
        [stranger] = set(states()) - {ours.pid}
        print(reap_strangers({ours.pid}), len(states()))
        os.kill(stranger, 9)
        wait_until(lambda: states()[stranger] == "Z")
        print(reap_strangers({ours.pid}), ours.poll())
        ours.kill()
        ours.wait()
    """)
    assert said == "0 2\n1 None\n"


def test_without_children_there_is_nothing_to_do() -> None:
    assert run("print(reap_strangers(()))") == "0\n"


def test_a_flood_of_orphans_does_not_hold_up_the_main_loop() -> None:
    said = run("""
        become_subreaper()
        reaper._A_TURN = 5
        orphans(12)
        print([reap_strangers(()) for _ in range(4)])
    """)
    assert said == "[5, 5, 2, 0]\n"


def test_only_pid_1_and_subreapers_adopt() -> None:
    said = run("""
        print(adopts_orphans())
        become_subreaper()
        print(adopts_orphans())
        os.getpid = lambda: 1
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
        print(adopts_orphans())
    """)
    assert said == "False\nTrue\nTrue\n"
