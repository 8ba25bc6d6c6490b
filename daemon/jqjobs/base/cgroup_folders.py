"""Which directories of cgroups are around a process, for one controller, version 1 and 2.

A file that is missing, forbidden or makes no sense is no reason to fail: its group then just does not count. The
formats: proc_pid_mountinfo(5) and cgroups(7).
"""

from __future__ import annotations

import os
import re
from enum import Enum


class Version(Enum):
    """The two kinds of hierarchies, by their file system."""

    V1, V2 = b"cgroup", b"cgroup2"


def groups_around(controller: bytes, membership: bytes, mountinfo: bytes) -> tuple[Version, list[bytes]] | None:
    """Return the directories of the group that accounts for ``controller`` and of its ancestors, innermost first.

    ``membership``, ``mountinfo``: what /proc/PID/cgroup and /proc/self/mountinfo say. None: there is no such group.
    """
    own = _own_group(controller, membership)
    if own is None:
        return None
    version, path = own
    return version, _visible(_mounts(controller, mountinfo, version), path)


def _own_group(controller: bytes, membership: bytes) -> tuple[Version, list[bytes]] | None:
    """Return where the process is accounted for.

    A controller is in one hierarchy only: if version 1 has it, the unified hierarchy beside it has not.
    """
    unified = None
    for line in membership.split(b"\n"):
        _, _, rest = line.partition(b":")  # the hierarchy's number
        controllers, _, path = rest.partition(b":")
        if controller in controllers.split(b","):
            return Version.V1, _parts(path)
        if line.startswith(b"0::"):
            unified = Version.V2, _parts(path)
    return unified


def _mounts(controller: bytes, mountinfo: bytes, version: Version) -> list[tuple[list[bytes], bytes]]:
    """Return where the hierarchy of the controller is mounted: which of its groups, and at which directory."""
    found = []
    for line in mountinfo.split(b"\n"):
        mount, _, filesystem = line.partition(b" - ")
        fields, about = mount.split(b" "), filesystem.split(b" ")
        if len(fields) < 5 or len(about) < 3 or about[0] != version.value:
            continue
        if version is Version.V2 or controller in about[2].split(b","):
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


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part]


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), text)


def place_of(root: str, directory: bytes) -> str:
    """Return the path of a group below ``root``, which stands for /."""
    return os.path.join(root, os.fsdecode(directory).lstrip("/"))


def read(path: str) -> bytes:
    """Return what is in a file, b"" when it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return b""
