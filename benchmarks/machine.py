"""What a process costs, and what machine this is: all from /proc."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import version
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the pids of a process's children, of all its threads."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (thread / "children").read_text("ascii").split()]
    return found


def pss_mib(pid: int) -> float:
    """Return the memory of a process, with what it shares counted in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def family_pss_mib(pid: int) -> float:
    """Return the memory of a process and all its descendants; one that has just ended counts nothing."""
    try:
        return pss_mib(pid) + sum(map(family_pss_mib, children(pid)))
    except (OSError, StopIteration):
        return 0.0


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that the living threads of a process have used."""
    used_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended
            used_ns += int((thread / "schedstat").read_text("ascii").split()[0])
    return used_ns / 1e9


def describe() -> dict[str, str]:
    """Return the facts of this machine that a reader of the figures wants."""
    memory = Path("/proc/meminfo").read_text("ascii").split()[1]
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "jqjobs": version("jqjobs"),
        "redis-py": f"{version('redis')}, hiredis {version('hiredis')}",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
