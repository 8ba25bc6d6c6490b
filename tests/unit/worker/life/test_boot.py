"""Loading an app: what it must be, and one line that says what went wrong and where."""

from __future__ import annotations

import importlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jqjobs.errors import ConfigError
from jqjobs.worker.life import boot
from jqjobs.worker.life.boot import describe_failure, load_registered, refuse_green_threads

GOOD = "from jqjobs import App\napp = App()\n@app.job\ndef mail(): ...\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Write modules that can be imported; they are forgotten when the test ends."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def failure(reference: str) -> str:
    """Return how the failure to load an app is described."""
    try:
        load_registered(reference)
    except BaseException as error:
        return describe_failure(error)
    raise AssertionError("it loads")


def test_an_app_comes_with_all_its_jobs(write: Callable[[str, str], None]) -> None:
    write("k_jobs", "from k_shop import app\n@app.job\ndef mail(): ...\n")
    write("k_shop", "from jqjobs import App\napp = App(imports=['k_jobs'])\n")
    assert list(load_registered("k_shop:app").jobs) == ["mail"]


def test_more_queues_than_a_worker_serves_must_be_shared_out(write: Callable[[str, str], None]) -> None:
    job = "    app.job(lambda: None, name=f'job{number}', queue=f'q{number}')\n"
    write("k_shop", f"from jqjobs import App\napp = App()\nfor number in range(33):\n{job}")
    with pytest.raises(ConfigError, match=r"33 queues.*at most 32") as raised:
        load_registered("k_shop:app")
    assert "--queues" in raised.value.hint
    assert len(load_registered("k_shop:app", ["q1"]).jobs) == 33


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app = 42\n", "--app 'k_shop:app' is a int, not a jqjobs.App"),
        (
            "from jqjobs import App\napp = App()\n",
            "--app 'k_shop:app' registers no job (name its job modules in App(imports=[…]))",
        ),
        ("", "--app 'k_shop:app': the module has no 'app'"),
    ],
)
def test_what_is_no_app_is_said_without_a_place_in_jqjobs(
    write: Callable[[str, str], None], text: str, message: str
) -> None:
    write("k_shop", text)
    with pytest.raises(ConfigError):
        load_registered("k_shop:app")
    assert failure("k_shop:app") == f"ConfigError: {message}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (at {file}:3)"),
        ("import k_missing\n", "ModuleNotFoundError: No module named 'k_missing' (at {file}:1)"),
        ("raise SystemExit(3)\n", "SystemExit: 3 (at {file}:1)"),
        ("def f():\n    raise KeyboardInterrupt\nf()\n", "KeyboardInterrupt (at {file}:2)"),
    ],
)
def test_what_a_module_raises_is_said_with_its_place(
    write: Callable[[str, str], None], tmp_path: Path, text: str, said: str
) -> None:
    write("k_shop", GOOD + text)
    line = said.partition("{file}:")[2].rstrip(")")
    expected = said.format(file=tmp_path / "k_shop.py").replace(f":{line})", f":{int(line) + GOOD.count(chr(10))})")
    assert failure("k_shop:app") == expected


def test_a_syntax_error_names_its_own_place(write: Callable[[str, str], None]) -> None:
    write("k_shop", "def broken(:\n")
    said = failure("k_shop:app")
    assert said.startswith("SyntaxError: ")
    assert "k_shop.py, line 1" in said
    assert "importlib" not in said


def test_an_app_module_that_is_missing_is_not_blamed_on_python_itself(write: Callable[[str, str], None]) -> None:
    said = failure("k_nowhere:app")
    assert said.startswith("ModuleNotFoundError: No module named 'k_nowhere'")
    assert "frozen" not in said


def test_an_error_that_was_never_raised_is_said_without_a_place() -> None:
    assert describe_failure(ValueError("odd")) == "ValueError: odd"


THREAD = "import threading as t, time\nt.Thread(target=time.sleep, args=(600,), daemon={}, name='stubborn').start()\n"
END = (
    "import sys\nfrom jqjobs.base import log\nfrom jqjobs.worker.life import boot\n"
    "boot._THREADS_S = 0.2\nlog.configure('x')\n"
    "boot.limit_threads(7)\nsys.exit(7)\n"
)


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("is_daemon", [False, True])
def test_a_thread_of_the_app_that_never_ends_does_not_keep_the_process(is_daemon: bool) -> None:
    """Else a retired worker would stay for ever, and one that was recycled for its memory would never be succeeded."""
    ended = run(THREAD.format(is_daemon) + END)
    assert ended.returncode == 7
    assert ("stubborn" in ended.stderr) is not is_daemon, "said only where it was in the way"


def test_what_the_app_does_at_exit_is_done(tmp_path: Path) -> None:
    code = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'done')!r}).touch)\n" + END
    assert run(code).returncode == 7
    assert (tmp_path / "done").exists()


def test_without_such_threads_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot.threading, "enumerate", lambda: [boot.threading.main_thread()])
    monkeypatch.setattr(boot.threading, "Timer", None)
    boot.limit_threads(7)


def test_slots_on_threads_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gevent patches them: the worker stood still, without a word."""

    class Lock:
        pass

    refuse_green_threads(concurrency=2)
    monkeypatch.setattr(threading, "Lock", Lock)
    refuse_green_threads(concurrency=1)
    with pytest.raises(ConfigError, match="monkey-patched") as raised:
        refuse_green_threads(concurrency=2)
    assert "--concurrency 1" in raised.value.hint


def test_where_poll_is_taken_away_no_worker_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    with pytest.raises(ConfigError, match="eventlet"):
        refuse_green_threads(concurrency=1)
