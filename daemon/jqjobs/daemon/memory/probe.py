"""How much memory may still be used: the smallest of what the host and every cgroup around this process leave.

Owns reading /proc/meminfo and the memory controller of cgroups, version 1 and 2, which of its directories are
ours included. Decides nothing; the daemon's main loop asks twice a second. A file that is missing, forbidden or
makes no sense is no reason to fail: its group then just does not count.

The formats: proc_meminfo(5), proc_pid_mountinfo(5), cgroups(7), and the kernel's admin-guide/cgroup-v1/memory.rst
and admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What may still be used before somebody is killed or throttled.

    ``free_bytes``: the least that the host or a cgroup leaves, never negative. ``total_bytes``: the smallest limit
    that applies, the host's memory if there is no other. ``decided_by``: who leaves least, for people: "host" or
    the directory of a cgroup.
    """

    free_bytes: int
    total_bytes: int
    decided_by: str


class MemoryProbe:
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
        total_bytes = min(sample.total_bytes for sample in samples)
        return MemorySample(tightest.free_bytes, total_bytes, tightest.decided_by)

    def _current_groups(self) -> list[_Group]:
        """Return the groups around the process; looked for again only when it was moved to another one."""
        membership = _read(self._membership)
        if membership != self._found_for:
            self._groups = _find_groups(membership, _read(self._mountinfo), self._root)
            self._found_for = membership
        return self._groups


@dataclass(frozen=True, slots=True)
class _Version:
    """How one version of cgroups calls its things."""

    filesystem: bytes
    limits: tuple[str, ...]
    usage: str
    reclaimable: bytes


_V1 = _Version(b"cgroup", ("memory.limit_in_bytes",), "memory.usage_in_bytes", b"total_inactive_file ")
_V2 = _Version(b"cgroup2", ("memory.max", "memory.high"), "memory.current", b"inactive_file ")


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
        numbers = [_number(_read(path)) for path in self.limits]
        limit = min((number for number in numbers if number is not None), default=None)
        if limit is None or limit > host_bytes:  # version 1 writes "no limit" as a number near 2^63
            return None
        used = _number(_read(self.usage))
        if used is None:
            return None
        # File pages nobody used lately are given up before anybody is killed; what is unknown counts as kept.
        reclaimable = _field(_read(self.stat), self.reclaimable) or 0
        return MemorySample(max(0, limit - used + min(reclaimable, used)), limit, self.directory)


def _host(meminfo: str) -> MemorySample | None:
    text = _read(meminfo)
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
    own = _own_group(membership)
    if own is None:
        return []
    version, path = own
    directories = _visible(_mounts(mountinfo, version), path)
    return [_group(version, root, directory) for directory in _hierarchy(directories, root)]


def _group(version: _Version, root: str, directory: bytes) -> _Group:
    place = _place(root, directory)
    limits = tuple(f"{place}/{name}" for name in version.limits)
    shown = os.fsencode(place).decode("utf-8", "backslashreplace")  # it is stored and printed as UTF-8
    return _Group(shown, limits, f"{place}/{version.usage}", f"{place}/memory.stat", version.reclaimable)


def _own_group(membership: bytes) -> tuple[_Version, list[bytes]] | None:
    """Return where the memory of the process is accounted.

    A controller is in one hierarchy only: if version 1 has it, the unified hierarchy beside it has not.
    """
    unified = None
    for line in membership.split(b"\n"):
        _, _, rest = line.partition(b":")  # the hierarchy's number
        controllers, _, path = rest.partition(b":")
        if b"memory" in controllers.split(b","):
            return _V1, _parts(path)
        if line.startswith(b"0::"):
            unified = _V2, _parts(path)
    return unified


def _mounts(mountinfo: bytes, version: _Version) -> list[tuple[list[bytes], bytes]]:
    """Return where the hierarchy of the memory controller is mounted: which of its groups, and at which directory."""
    found = []
    for line in mountinfo.split(b"\n"):
        mount, _, filesystem = line.partition(b" - ")
        fields, about = mount.split(b" "), filesystem.split(b" ")
        if len(fields) < 5 or len(about) < 3 or about[0] != version.filesystem:
            continue
        if version is _V2 or b"memory" in about[2].split(b","):
            found.append((_parts(_unescaped(fields[3])), _unescaped(fields[4])))
    return found


def _visible(mounts: list[tuple[list[bytes], bytes]], path: list[bytes]) -> list[bytes]:
    """Return the directories of a group and its ancestors, innermost first, by the mount that shows most of them.

    In a container a mount may begin anywhere. Where none shows the group (it lies outside of the cgroup namespace,
    say, and its path begins with ".."), what is mounted is the best guess: mostly it is the container's own group.
    """
    chains = [_chain(top, point, path) for top, point in mounts]
    return max(chains, key=len, default=[]) or [point for _, point in mounts[:1]]


def _chain(top: list[bytes], point: bytes, path: list[bytes]) -> list[bytes]:
    below = path[len(top) :]
    if path[: len(top)] != top or b".." in below:
        return []
    return [b"/".join([point, *below[:depth]]) for depth in range(len(below), -1, -1)]


def _hierarchy(directories: list[bytes], root: str) -> list[bytes]:
    """Drop the ancestors that do not count their children: version 1 on kernels older than 5.11 has such."""
    ancestors = takewhile(
        lambda each: _read(f"{_place(root, each)}/memory.use_hierarchy").strip() != b"0", directories[1:]
    )
    return [*directories[:1], *ancestors]


def _place(root: str, directory: bytes) -> str:
    return os.path.join(root, os.fsdecode(directory).lstrip("/"))


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part]


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), text)


def _field(text: bytes, name: bytes) -> int | None:
    """Return the number behind ``name`` at the beginning of a line."""
    _, _, rest = (b"\n" + text).partition(b"\n" + name)
    return _number(rest.partition(b"\n")[0].removesuffix(b" kB"))


def _number(text: bytes) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isdigit() and len(digits) <= 20 else None  # 2^64 has 20


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return b""
