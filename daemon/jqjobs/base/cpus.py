"""How many processors this process may use: by its affinity, and by the quota of every cgroup around it.

`os.cpu_count` tells what the host has, which in a container is somebody else's. The formats: sched_getaffinity(2), and
the kernel's admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cpu.cfs_quota_us).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from jqjobs.base.cgroup_folders import Version, groups_around, place_of, read


def usable_cpus(proc: Path = Path("/proc"), root: Path = Path("/")) -> int:
    """Return how many, at least 1; half a processor counts as a whole. The arguments stand for /proc and /."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(here, _quota(proc, str(root)))))


def _quota(proc: Path, root: str) -> float:
    found = groups_around(b"cpu", read(str(proc / "self" / "cgroup")), read(str(proc / "self" / "mountinfo")))
    if found is None:
        return math.inf
    version, directories = found
    return min((_quota_of(version, place_of(root, directory)) for directory in directories), default=math.inf)


def _quota_of(version: Version, place: str) -> float:
    """Return the processors that one group may use; infinity where it has no quota, or does not say."""
    names = ("cpu.max",) if version is Version.V2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    words = b" ".join(read(f"{place}/{name}") for name in names).split()
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return math.inf  # "max", or -1 in version 1
    return int(words[0]) / int(words[1])
