"""What memory is left, on machines made of files, and in one real cgroup. What follows from it is no matter here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cgroups import MIB, Cgroup, limited
from jqjobs.daemon.memory.free_memory import FreeMemory, MemorySample

KIB = 1024
GIB = 1024 * MIB

V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
V2_MOUNT = "41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
HYBRID_MOUNTS = (
    "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
    V1_MOUNT,
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
)
NO_LIMIT_V1 = 9223372036854771712


class Machine:
    """A /proc and a /sys made of files, with 8 GiB of which 6 GiB are available, without any cgroup."""

    def __init__(self, directory: Path) -> None:
        self.root = directory
        self.proc = directory / "proc"
        (self.proc / "self").mkdir(parents=True)
        self.has(8 * GIB, 6 * GIB)
        self.mount("22 27 0:21 / /proc rw,relatime - proc proc rw", "27 1 254:0 / / rw - ext4 /dev/vda rw")
        self.probe = FreeMemory(self.proc, root=self.root)

    def has(self, total_bytes: int, available_bytes: int) -> None:
        lines = f"MemTotal: {total_bytes // KIB:15} kB\nMemFree: 1 kB\nMemAvailable: {available_bytes // KIB:12} kB\n"
        (self.proc / "meminfo").write_text(lines + "Buffers: 7700 kB\n")

    def mount(self, *lines: str) -> None:
        (self.proc / "self" / "mountinfo").write_text("\n".join(lines) + "\n")

    def join(self, *lines: str) -> None:
        """Say which cgroups the process is in, as /proc/self/cgroup does."""
        (self.proc / "self" / "cgroup").write_text("\n".join(lines) + "\n")

    def group_v1(self, path: str, limit: object, used: object, inactive: object = 0) -> Path:
        own = "cache 1\ninactive_file 7\nhierarchical_memory_limit 5\n"
        return self.group(path, {
            "memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.use_hierarchy": 1,
            "memory.stat": f"{own}total_inactive_file {inactive}\ntotal_active_file 9",
        })  # fmt: skip

    def group_v2(self, path: str, most: object, high: object, used: object, inactive: object = 0) -> Path:
        return self.group(path, {
            "memory.max": most, "memory.high": high, "memory.current": used,
            "memory.stat": f"anon 1\nworkingset_inactive_file 3\ninactive_file {inactive}\nactive_file 9",
        })  # fmt: skip

    def group(self, path: str, files: dict[str, object]) -> Path:
        directory = self.root / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(f"{text}\n")
        return directory

    def sample(self) -> MemorySample:
        found = self.probe.sample()
        assert found is not None
        return found

    def decided_by(self, path: Path | str) -> bool:
        return self.sample().decided_by == str(path)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


HOST = MemorySample(6 * GIB, 8 * GIB, "host")


def test_without_cgroups_the_host_decides(machine: Machine) -> None:
    assert machine.sample() == HOST


def test_on_version_2_the_own_group_decides_by_what_it_may_still_use_and_reclaim(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/app.slice/jqd.service")
    group = machine.group_v2("/sys/fs/cgroup/app.slice/jqd.service", GIB, "max", 900 * MIB, inactive=300 * MIB)
    assert machine.sample() == MemorySample(424 * MIB, GIB, str(group))


def test_on_version_2_the_mark_for_throttling_counts_as_a_limit(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    machine.group_v2("/sys/fs/cgroup/jqd", GIB, 500 * MIB, 200 * MIB)
    assert (machine.sample().free_bytes, machine.sample().total_bytes) == (300 * MIB, 500 * MIB)
    machine.group_v2("/sys/fs/cgroup/jqd", 400 * MIB, 500 * MIB, 200 * MIB)
    assert (machine.sample().free_bytes, machine.sample().total_bytes) == (200 * MIB, 400 * MIB)
    machine.group_v2("/sys/fs/cgroup/jqd", "max", 300 * MIB, 200 * MIB)
    assert (machine.sample().free_bytes, machine.sample().total_bytes) == (100 * MIB, 300 * MIB)


def test_on_version_1_the_own_group_decides_with_the_pages_of_its_children(machine: Machine) -> None:
    machine.mount(*HYBRID_MOUNTS)
    machine.join("9:name=systemd:/", "4:memory:/docker/abc", "1:cpu:/", "0::/")
    machine.group_v1("/sys/fs/cgroup/memory", NO_LIMIT_V1, 3 * GIB)
    group = machine.group_v1("/sys/fs/cgroup/memory/docker/abc", GIB, 900 * MIB, inactive=300 * MIB)
    assert machine.sample() == MemorySample(424 * MIB, GIB, str(group))


def test_whose_limit_is_the_smallest_need_not_be_who_leaves_least(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/a/b")
    outer = machine.group_v2("/sys/fs/cgroup/a", 2 * GIB, "max", 1900 * MIB)
    inner = machine.group_v2("/sys/fs/cgroup/a/b", GIB, "max", 200 * MIB)
    sample = machine.sample()
    assert (sample.decided_by, sample.limited_by, sample.total_bytes) == (str(outer), str(inner), GIB)


def test_every_ancestor_up_to_the_mount_point_may_decide(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/a/b/c")
    top = machine.group_v2("/sys/fs/cgroup", "max", "max", 5 * GIB)
    outer = machine.group_v2("/sys/fs/cgroup/a", 2 * GIB, "max", 1900 * MIB)
    middle = machine.group_v2("/sys/fs/cgroup/a/b", "max", "max", 1)
    inner = machine.group_v2("/sys/fs/cgroup/a/b/c", GIB, "max", 100 * MIB)
    machine.group_v2("/sys/fs/cgroup/a/b/c/child", 1, "max", 1)
    machine.group_v2("/sys/fs/cgroup/a/sister", 1, "max", 1)
    assert machine.sample() == MemorySample(148 * MIB, GIB, str(outer))
    machine.group_v2("/sys/fs/cgroup/a/b", 3 * GIB, "max", 3 * GIB - 90 * MIB)
    assert machine.sample() == MemorySample(90 * MIB, GIB, str(middle))
    machine.group_v2("/sys/fs/cgroup/a/b/c", GIB, "max", GIB - 80 * MIB)
    assert machine.sample() == MemorySample(80 * MIB, GIB, str(inner))
    machine.group_v2("/sys/fs/cgroup", 4 * GIB, "max", 4 * GIB - 70 * MIB)
    assert machine.sample() == MemorySample(70 * MIB, GIB, str(top))


def test_the_host_decides_when_it_has_less_left_than_the_group_may_use(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    machine.group_v2("/sys/fs/cgroup/jqd", 2 * GIB, "max", 0)
    machine.has(8 * GIB, 50 * MIB)
    assert machine.sample() == MemorySample(50 * MIB, 2 * GIB, "host")


def test_a_limit_above_the_memory_of_the_host_does_not_decide(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    group = machine.group_v2("/sys/fs/cgroup/jqd", 8 * GIB + 1, "max", 8 * GIB)
    assert machine.sample() == HOST
    machine.group_v2("/sys/fs/cgroup/jqd", 8 * GIB, "max", 8 * GIB)
    assert machine.sample() == MemorySample(0, 8 * GIB, str(group))


def test_a_group_without_limits_does_not_decide(machine: Machine) -> None:
    machine.mount(*HYBRID_MOUNTS)
    machine.join("4:memory:/jqd", "0::/")
    machine.group_v1("/sys/fs/cgroup/memory/jqd", NO_LIMIT_V1, NO_LIMIT_V1 - 5)
    assert machine.sample() == HOST
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    machine.group_v2("/sys/fs/cgroup/jqd", "max", "max", 8 * GIB)
    assert machine.sample() == HOST


def test_where_version_1_has_the_controller_the_unified_hierarchy_is_not_asked(machine: Machine) -> None:
    machine.mount(*HYBRID_MOUNTS)
    machine.join("0::/jqd", "4:hugetlb,memory:/jqd")
    machine.group_v2("/sys/fs/cgroup/unified/jqd", MIB, "max", 0)
    group = machine.group_v1("/sys/fs/cgroup/memory/jqd", GIB, 0)
    assert machine.decided_by(group)


def test_where_version_1_lacks_the_controller_the_unified_hierarchy_is_asked(machine: Machine) -> None:
    machine.mount(HYBRID_MOUNTS[0], HYBRID_MOUNTS[2])
    machine.join("3:cpu:/wrong", "5:name=memory:/wrong", "0::/jqd")
    machine.group_v2("/sys/fs/cgroup/unified/wrong", MIB, "max", 0)
    group = machine.group_v2("/sys/fs/cgroup/unified/jqd", GIB, "max", 0)
    assert machine.decided_by(group)


def test_ancestors_that_do_not_count_their_children_do_not_decide(machine: Machine) -> None:
    machine.mount(V1_MOUNT)
    machine.join("4:memory:/a/b/c")
    machine.group_v1("/sys/fs/cgroup/memory/a", 10 * MIB, 10 * MIB)
    apart = machine.group_v1("/sys/fs/cgroup/memory/a/b", 20 * MIB, 20 * MIB)
    inner = machine.group_v1("/sys/fs/cgroup/memory/a/b/c", GIB, 0)
    (apart / "memory.use_hierarchy").write_text("0\n")
    (inner / "memory.use_hierarchy").write_text("0\n")  # about its children, of which we are none
    assert machine.decided_by(inner)


def test_a_mount_that_begins_inside_the_hierarchy_shows_the_group_without_that_beginning(machine: Machine) -> None:
    machine.mount("35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory")
    machine.join("4:memory:/docker/abc/jqd")
    top = machine.group_v1("/sys/fs/cgroup/memory", 700 * MIB, 0)
    inner = machine.group_v1("/sys/fs/cgroup/memory/jqd", GIB, 0)
    assert machine.decided_by(top)
    machine.group_v1("/sys/fs/cgroup/memory/jqd", 600 * MIB, 0)
    assert machine.decided_by(inner)


def test_a_mount_from_above_the_namespace_shows_a_group_beside_it(machine: Machine) -> None:
    machine.mount(V2_MOUNT.replace(" / ", " /.. ", 1))
    machine.join("0::/../sister")
    group = machine.group_v2("/sys/fs/cgroup/sister", GIB, "max", 0)
    assert machine.decided_by(group)


@pytest.mark.parametrize(
    ("mounted", "path"),
    [("/", "/../sister"), ("/..", "/jqd"), ("/../..", "/../sister"), ("/a/b", "/a/bc"), ("/a", "/"), ("/a", "/b/jqd")],
)
def test_of_a_group_out_of_sight_the_mounted_one_is_the_best_guess(machine: Machine, mounted: str, path: str) -> None:
    machine.mount(V2_MOUNT.replace(" / ", f" {mounted} ", 1))
    machine.join(f"0::{path}")
    group = machine.group_v2("/sys/fs/cgroup", GIB, "max", 0)
    machine.group_v2("/sys/fs/sister", MIB, "max", 0)
    machine.group_v2("/sys/fs/cgroup/sister", MIB, "max", 0)
    machine.group_v2("/sys/fs/cgroup/jqd", MIB, "max", 0)
    assert machine.decided_by(group)


def test_of_several_mounts_the_one_that_shows_most_of_our_groups_is_read(machine: Machine) -> None:
    bind = "50 31 0:38 {} {} rw - cgroup2 cgroup2 rw"
    machine.mount(bind.format("/other", "/mnt/other"), bind.format("/a/b", "/mnt/own"), V2_MOUNT)
    machine.join("0::/a/b")
    machine.group_v2("/mnt/other", MIB, "max", 0)
    machine.group_v2("/mnt/own", 2 * GIB, "max", 0)
    machine.group_v2("/sys/fs/cgroup/a/b", 2 * GIB, "max", 0)
    outer = machine.group_v2("/sys/fs/cgroup/a", GIB, "max", 0)
    assert machine.decided_by(outer)


def test_names_with_spaces_backslashes_colons_and_odd_bytes_are_found(machine: Machine) -> None:
    machine.mount(V2_MOUNT.replace("/sys/fs/cgroup", r"/mnt/c\040g\134x"))
    (machine.proc / "self" / "cgroup").write_bytes(b"0::/a: b\\\xff\r\n")
    group = machine.group_v2("/mnt/c g\\x/" + os.fsdecode(b"a: b\\\xff\r"), GIB, "max", 0)
    sample = machine.sample()
    assert sample.free_bytes == GIB
    assert sample.decided_by == f"{group.parent}/a: b\\\\xff\r"
    assert sample.decided_by.encode()


def test_what_is_left_is_never_negative_and_never_above_the_limit(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 2 * GIB)
    assert (machine.sample().free_bytes, machine.sample().total_bytes) == (0, GIB)
    machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 5 * MIB, inactive=100 * MIB)  # the two are counted apart
    assert machine.sample().free_bytes == GIB


def test_limits_that_change_at_run_time_are_obeyed_at_once(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    assert machine.sample() == HOST
    group = machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 0)
    assert machine.sample() == MemorySample(GIB, GIB, str(group))
    machine.group_v2("/sys/fs/cgroup/jqd", "max", "max", 0)
    assert machine.sample() == HOST


def test_a_process_that_was_moved_is_found_in_its_new_group(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/old")
    old = machine.group_v2("/sys/fs/cgroup/old", GIB, "max", 0)
    new = machine.group_v2("/sys/fs/cgroup/new", 2 * GIB, "max", 0)
    assert machine.decided_by(old)
    machine.join("0::/new")
    assert machine.decided_by(new)


def test_mounts_are_read_only_once_while_the_process_stays_where_it_is(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    group = machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 0)
    assert machine.decided_by(group)
    (machine.proc / "self" / "mountinfo").unlink()
    assert machine.decided_by(group)


def test_another_process_is_sought_in_its_own_group_by_our_mounts(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/ours")
    (machine.proc / "4711").mkdir()
    (machine.proc / "4711" / "cgroup").write_text("0::/theirs\n")
    machine.group_v2("/sys/fs/cgroup/ours", MIB, "max", 0)
    group = machine.group_v2("/sys/fs/cgroup/theirs", GIB, "max", 0)
    machine.probe = FreeMemory(machine.proc, "4711", machine.root)
    assert machine.decided_by(group)


JUNK = [b"", b"\n", b"junk\n", b"-1\n", b"1e9\n", b"0x10\n", b"\xff\xfe\0", b"9" * 5000, b"12 13\n", "٣\n".encode()]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk[:8]))
@pytest.mark.parametrize("name", ["memory.limit_in_bytes", "memory.usage_in_bytes"])
def test_a_group_whose_numbers_make_no_sense_does_not_decide_but_its_parent_does(
    machine: Machine, name: str, junk: bytes
) -> None:
    machine.mount(V1_MOUNT)
    machine.join("4:memory:/a/b")
    parent = machine.group_v1("/sys/fs/cgroup/memory/a", 2 * GIB, 0)
    group = machine.group_v1("/sys/fs/cgroup/memory/a/b", GIB, 0)
    assert machine.decided_by(group)
    (group / name).write_bytes(junk)
    assert machine.sample() == MemorySample(2 * GIB, 2 * GIB, str(parent))
    (group / name).unlink()
    assert machine.decided_by(parent)
    (group / name).mkdir()
    assert machine.decided_by(parent)


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk[:8]))
def test_of_two_limits_the_one_that_makes_sense_applies(machine: Machine, junk: bytes) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    group = machine.group_v2("/sys/fs/cgroup/jqd", GIB, 2 * GIB, 0)
    (group / "memory.max").write_bytes(junk)
    assert machine.sample() == MemorySample(2 * GIB, 2 * GIB, str(group))


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk[:8]))
def test_where_nothing_is_said_about_reclaimable_pages_there_are_none(machine: Machine, junk: bytes) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    group = machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 900 * MIB, inactive=300 * MIB)
    (group / "memory.stat").write_bytes(b"inactive_file " + junk)
    assert machine.sample().free_bytes == 124 * MIB
    (group / "memory.stat").write_bytes(junk)
    assert machine.sample().free_bytes == 124 * MIB
    (group / "memory.stat").unlink()
    assert machine.sample().free_bytes == 124 * MIB


@pytest.mark.parametrize(
    "junk",
    [*JUNK, b"memory\n", b"::\n", b"0::\n", b"0::\0\n", b"0::///\n", b"4:memory:\n"],
    ids=lambda junk: repr(junk[:8]),
)
def test_junk_instead_of_our_groups_leaves_the_decision_to_the_host(machine: Machine, junk: bytes) -> None:
    machine.group_v2("/sys/fs/cgroup/jqd", MIB, "max", 0)
    machine.mount(V2_MOUNT)
    (machine.proc / "self" / "cgroup").write_bytes(junk)
    assert machine.sample() == HOST


@pytest.mark.parametrize("own", ["0::/jqd", "4:memory:/jqd"])
@pytest.mark.parametrize(
    "junk",
    [*JUNK, b" - \n", b"1 2 3 4 5 -\n", b"1 2 3 / - cgroup2 x rw\n", b"1 2 3 / - cgroup x rw,memory\n",
     b"1 2 3 / /sys - cgroup2\n", b"1 2 3 / /sys rw - cgroup x\n", b"1 2 3 / \0 rw - cgroup2 x rw\n"],
    ids=lambda junk: repr(junk[-20:]),
)  # fmt: skip
def test_junk_instead_of_mounts_leaves_the_decision_to_the_host(machine: Machine, junk: bytes, own: str) -> None:
    machine.group_v2("/sys/jqd", MIB, "max", 0)
    machine.group_v1("/sys/jqd", MIB, 0)
    machine.join(own)
    (machine.proc / "self" / "mountinfo").write_bytes(junk)
    assert machine.sample() == HOST


def test_a_group_that_vanishes_leaves_the_decision_to_the_others(machine: Machine) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/a/b")
    parent = machine.group_v2("/sys/fs/cgroup/a", 2 * GIB, "max", 0)
    group = machine.group_v2("/sys/fs/cgroup/a/b", GIB, "max", 0)
    assert machine.decided_by(group)
    group.rename(machine.root / "gone")
    assert machine.decided_by(parent)


def test_a_file_that_may_not_be_read_is_like_a_missing_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.mount(V2_MOUNT)
    machine.join("0::/jqd")
    group = machine.group_v2("/sys/fs/cgroup/jqd", GIB, "max", 0)
    assert machine.decided_by(group)
    really_open = open

    def deny(path: str, *args: Any, **options: Any) -> Any:
        if path == str(group / "memory.current"):
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, *args, **options)

    monkeypatch.setattr("builtins.open", deny)  # root may read everything
    assert machine.sample() == HOST


Memory = namedtuple("Memory", "total available")


@pytest.mark.parametrize("meminfo", [None, b"", b"MemTotal: 5 kB\n", b"MemTotal: x kB\nMemAvailable: 5 kB\n"])
def test_where_proc_does_not_say_it_psutil_does(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, meminfo: bytes | None
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(total=4 * GIB, available=GIB))
    (machine.proc / "meminfo").unlink()
    if meminfo is not None:
        (machine.proc / "meminfo").write_bytes(meminfo)
    assert machine.sample() == MemorySample(GIB, 4 * GIB, "host")


@pytest.mark.parametrize("error", [OSError("no"), RuntimeError("no")], ids=repr)
def test_where_nobody_knows_there_is_no_sample(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> Memory:
        raise error

    monkeypatch.setattr("psutil.virtual_memory", fail)
    (machine.proc / "meminfo").unlink()
    assert machine.probe.sample() is None


#: Prints a sample for each line it is told; keeps as many MiB more as the line says.
CHILD = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from jqjobs.daemon.memory.free_memory import FreeMemory
probe, kept = FreeMemory(), []
for line in sys.stdin:
    kept.append(bytearray(b"x") * (int(line) << 20))
    print(json.dumps(asdict(probe.sample())), flush=True)
"""

Ask = Callable[[int], MemorySample | None]


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    with limited(200 * MIB) as made:
        yield made


@pytest.fixture
def ask(cgroup: Cgroup) -> Iterator[Ask]:
    """A process in the group: takes so many MiB more, then samples. None: it was killed."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        stdin, stdout = child.stdin, child.stdout
        cgroup.add(child.pid)

        def sample(mib: int) -> MemorySample | None:
            stdin.write(f"{mib}\n")
            stdin.flush()
            line = stdout.readline()
            return MemorySample(**json.loads(line)) if line else None

        yield sample
        child.kill()


def test_in_a_real_cgroup_its_limit_decides_although_the_host_has_more(cgroup: Cgroup, ask: Ask) -> None:
    before, after, host = ask(0), ask(50), FreeMemory().sample()
    assert before
    assert after
    assert host
    assert host.free_bytes > cgroup.limit
    for sample in (before, after):
        assert (sample.decided_by, sample.total_bytes) == (str(cgroup.path), cgroup.limit)
        assert 0 < sample.free_bytes < cgroup.limit
    # Not to the byte: the kernel adds up what its processors have counted only now and then.
    assert 30 * MIB < before.free_bytes - after.free_bytes < 70 * MIB


def test_what_a_real_cgroup_leaves_can_be_used_and_hardly_more(cgroup: Cgroup, ask: Ask) -> None:
    left = ask(0)
    assert left
    assert ask(left.free_bytes // MIB - 30) is not None
    assert cgroup.oom_kills() == 0
    assert ask(60) is None
    assert cgroup.oom_kills() == 1


def test_a_real_limit_that_is_lowered_is_noticed(cgroup: Cgroup, ask: Ask) -> None:
    before = ask(0)
    name = "memory.max" if (cgroup.path / "memory.max").exists() else "memory.limit_in_bytes"
    (cgroup.path / name).write_text(str(150 * MIB))
    after = ask(0)
    assert before
    assert after
    assert (before.total_bytes, after.total_bytes) == (200 * MIB, 150 * MIB)
