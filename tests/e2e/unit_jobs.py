"""The app of test_systemd_user.py: jobs that find out what the unit leaves them, and what it takes away."""

from __future__ import annotations

import ctypes
import errno
import mmap
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jobs import hold, quick
from jqjobs import App

app = App()
app.job(hold.function)
app.job(quick.function)

# Whoever loads the app waits here as long as this file is in the directory that jqd runs in.
while Path("shut").exists():
    time.sleep(0.01)


@app.job
def keep_child(heard: str) -> None:
    """Leave a process behind that writes every TERM it gets to a file, and does nothing else about it."""
    script = 'trap "echo TERM >> $0" TERM; echo here >> $0; while :; do sleep 0.05; done'
    subprocess.Popen(["sh", "-c", script, heard], start_new_session=True)


@app.job
def look_around() -> dict[str, str]:
    """Return for each thing a job may try what came of it: "ok" or the name of the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    trials: dict[str, Callable[[], object]] = {
        "free memory": lambda: Path("/proc/meminfo").read_text().index("MemAvailable"),
        "boot id": lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        "cgroups": lambda: os.listdir("/sys/fs/cgroup"),
        "writing beside the app": lambda: tempfile.TemporaryFile(dir=".").close(),
        "writing to /tmp": lambda: tempfile.TemporaryFile(dir="/tmp").close(),
        "shared memory": lambda: multiprocessing.get_context("spawn").Lock().acquire(),
        "compiled code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
        "ctypes callbacks": lambda: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)(),
        "another program": lambda: subprocess.run([sys.executable, "-S", "-c", ""], check=True),
        "killing a child": _kill_a_child,
        "niceness": lambda: os.nice(1),
        "pinning to processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        "IPv4": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "network interfaces": lambda: socket.if_nameindex(),
        "names of hosts": lambda: socket.getaddrinfo("localhost", 80),
        "writing to /usr": lambda: _demand_writable("/usr"),
        "writing to /var": lambda: _demand_writable("/var/lib"),
        "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "user namespaces": lambda: _call(libc.unshare, 0x10000000),  # CLONE_NEWUSER
        "the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "the host's name": lambda: socket.sethostname(socket.gethostname()),
        "devices": lambda: os.close(os.open("/dev/kmsg", os.O_RDONLY)),
        "setuid programs": _make_setuid,
    }
    return {name: _outcome(trial) for name, trial in trials.items()}


def _outcome(trial: Callable[[], object]) -> str:
    try:
        trial()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    return "ok"


def _demand_writable(place: str) -> None:
    # Asked, not tried: where the unit does not protect it, the test must leave nothing behind.
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def _call(function: Callable[[int], int], argument: int) -> None:
    if function(argument) != 0:
        raise OSError(ctypes.get_errno(), "refused")


def _kill_a_child() -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(19)
    child.kill()
    child.wait()


def _make_setuid() -> None:
    with tempfile.NamedTemporaryFile(dir=".") as file:
        os.chmod(file.name, 0o4755)
