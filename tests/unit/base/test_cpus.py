"""How many processors a process may use: of its affinity and the quotas around it the smallest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.base.cpus import usable_cpus

HERE = 4


class Host:
    """/proc and the cgroup directories of a host."""

    def __init__(self, directory: Path) -> None:
        self.proc, self.root = directory / "proc", directory / "root"
        (self.proc / "self").mkdir(parents=True)

    def mount(self, filesystem: str, options: str, membership: str) -> None:
        (self.proc / "self" / "cgroup").write_text(membership)
        (self.proc / "self" / "mountinfo").write_text(f"30 25 0:26 / /cg rw - {filesystem} cgroup {options}\n")

    def write(self, path: str, content: str) -> None:
        file = self.root / "cg" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def cpus(self) -> int:
        return usable_cpus(self.proc, self.root)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(HERE)), raising=False)
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("outer", "inner", "cpus"),
    [("max 100000", "max 100000", HERE), ("150000 100000", "max 100000", 2), ("max 100000", "20000 100000", 1),
     ("300000 100000", "200000 100000", 2), ("900000 100000", "max 100000", HERE), ("nonsense", "", HERE)],
)  # fmt: skip
def test_the_tightest_quota_of_the_unified_hierarchy_decides(host: Host, outer: str, inner: str, cpus: int) -> None:
    host.mount("cgroup2", "rw", "0::/pod/box\n")
    host.write("pod/cpu.max", outer)
    host.write("pod/box/cpu.max", inner)
    assert host.cpus() == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", HERE), ("250000", 3), ("0", 1)])
def test_version_1_has_quota_and_period_in_two_files(host: Host, quota: str, cpus: int) -> None:
    host.mount("cgroup", "rw,cpu,cpuacct", "4:cpu,cpuacct:/box\n")
    host.write("box/cpu.cfs_quota_us", quota)
    host.write("box/cpu.cfs_period_us", "100000")
    assert host.cpus() == cpus


def test_without_cgroups_the_affinity_decides(host: Host) -> None:
    assert host.cpus() == HERE
