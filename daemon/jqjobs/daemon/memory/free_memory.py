"""How much memory may still be used: the smallest of what the host and every cgroup around this process leave.

Owns reading /proc/meminfo and the memory controller of cgroups, version 1 and 2. Decides nothing; the main loop asks
twice a second. A file that is missing, forbidden or makes no sense is no reason to fail: its group then just does
not count.

The formats: proc_meminfo(5), and the kernel's admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from jqjobs.base.cgroup_folders import Version, groups_around, place_of, read


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What may still be used before somebody is killed or throttled.

    ``free_bytes``: the least that the host or a cgroup leaves, never negative. ``total_bytes``: the smallest limit
    that applies, the host's memory if there is no other. ``decided_by``: who leaves least, ``limited_by``: whose
    limit that is, for people: "host" or the directory of a cgroup.
    """

    free_bytes: int
    total_bytes: int
    decided_by: str
    limited_by: str = field(default="", compare=False)


class FreeMemory:
    """Samples the memory left to a process. ``proc`` and ``root`` stand for /proc and / (tests have their own)."""

    def __init__(self, proc: Path = Path("/proc"), pid: str = "self", root: Path = Path("/")) -> None:
        self._meminfo = str(proc / "meminfo")
        self._membership = str(proc / pid / "cgroup")
        self._mountinfo = str(proc / "self" / "mountinfo")
        self._root = str(root)
        self._found_for: bytes | None = None
        self._groups: list[_Group] = []

    def sample(self) -> MemorySample | None:
        """Return what is left now; None where the host does not say what it has."""
        host = _host(self._meminfo)
        if host is None:
            return None
        groups = (group.sample(host.total_bytes) for group in self._current_groups())
        samples = [host, *filter(None, groups)]
        tightest = min(samples, key=lambda sample: sample.free_bytes)
        smallest = min(samples, key=lambda sample: sample.total_bytes)
        return MemorySample(tightest.free_bytes, smallest.total_bytes, tightest.decided_by, smallest.decided_by)

    def _current_groups(self) -> list[_Group]:
        """Return the groups around the process; looked for again only when it was moved to another one."""
        membership = read(self._membership)
        if membership != self._found_for:
            self._groups = _find_groups(membership, read(self._mountinfo), self._root)
            self._found_for = membership
        return self._groups


@dataclass(frozen=True, slots=True)
class _Files:
    """How one version of cgroups calls its things."""

    limits: tuple[str, ...]
    usage: str
    reclaimable: bytes


_FILES = {
    Version.V1: _Files(("memory.limit_in_bytes",), "memory.usage_in_bytes", b"total_inactive_file "),
    Version.V2: _Files(("memory.max", "memory.high"), "memory.current", b"inactive_file "),
}


@dataclass(frozen=True, slots=True)
class _Group:
    """One cgroup whose limit applies to us, as paths that are made only once."""

    directory: str
    limits: tuple[str, ...]
    usage: str
    stat: str
    reclaimable: bytes

    def sample(self, host_bytes: int) -> MemorySample | None:
        """Return what this group leaves; None when it has no limit below ``host_bytes`` or does not say."""
        numbers = [_number(read(path)) for path in self.limits]
        limit = min((number for number in numbers if number is not None), default=None)
        if limit is None or limit > host_bytes:  # version 1 writes "no limit" as a number near 2^63
            return None
        used = _number(read(self.usage))
        if used is None:
            return None
        # File pages nobody used lately are given up before anybody is killed; what is unknown counts as kept.
        reclaimable = _field(read(self.stat), self.reclaimable) or 0
        return MemorySample(max(0, limit - used + min(reclaimable, used)), limit, self.directory)


def _host(meminfo: str) -> MemorySample | None:
    text = read(meminfo)
    total_kib, available_kib = _field(text, b"MemTotal:"), _field(text, b"MemAvailable:")
    if total_kib is None or available_kib is None:
        return _host_by_psutil()
    return MemorySample(available_kib * 1024, total_kib * 1024, "host")


def _host_by_psutil() -> MemorySample | None:
    import psutil  # only where /proc is missing: it costs 60 ms

    try:
        memory = psutil.virtual_memory()
    except (OSError, RuntimeError, psutil.Error):
        return None
    return MemorySample(memory.available, memory.total, "host")


def _find_groups(membership: bytes, mountinfo: bytes, root: str) -> list[_Group]:
    """Return the group named in /proc/PID/cgroup and its ancestors, as far as they are mounted."""
    found = groups_around(b"memory", membership, mountinfo)
    if found is None:
        return []
    version, directories = found
    return [_group(_FILES[version], root, directory) for directory in _hierarchy(directories, root)]


def _group(files: _Files, root: str, directory: bytes) -> _Group:
    place = place_of(root, directory)
    limits = tuple(f"{place}/{name}" for name in files.limits)
    shown = os.fsencode(place).decode("utf-8", "backslashreplace")  # it is stored and printed as UTF-8
    return _Group(shown, limits, f"{place}/{files.usage}", f"{place}/memory.stat", files.reclaimable)


def _hierarchy(directories: list[bytes], root: str) -> list[bytes]:
    """Drop the ancestors that do not count their children: version 1 on kernels older than 5.11 has such."""
    ancestors = takewhile(
        lambda each: read(f"{place_of(root, each)}/memory.use_hierarchy").strip() != b"0", directories[1:]
    )
    return [*directories[:1], *ancestors]


def _field(text: bytes, name: bytes) -> int | None:
    """Return the number behind ``name`` at the beginning of a line."""
    _, _, rest = (b"\n" + text).partition(b"\n" + name)
    return _number(rest.partition(b"\n")[0].removesuffix(b" kB"))


def _number(text: bytes) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isdigit() and len(digits) <= 20 else None  # 2^64 has 20
