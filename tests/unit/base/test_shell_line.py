from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from jqjobs.base.shell_line import failure_of


def test_what_is_interrupted_leaves_no_process() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(*args, **options)
        process.communicate = interrupted  # type: ignore[method-assign]
        started.append(process)
        return process

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failure_of("sleep 60", 60, start=start)
    assert [process.returncode for process in started] == [-signal.SIGKILL]
