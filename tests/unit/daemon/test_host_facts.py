"""What a daemon tells of its host: for `jqctl doctor`, which may run anywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.host_facts import HostFacts, file_system_of
from jqjobs.store.reads.hosts import HostInfo, host_info
from unit.daemon.fake_workers import Clock


class FakeMemory:
    """A host whose memory is a number."""

    total_bytes = 8 << 30

    def sample(self) -> Any:
        return SimpleNamespace(total_bytes=self.total_bytes, limited_by="/cg/jqd")


@pytest.fixture
def memory() -> Any:
    return FakeMemory()


def test_limits_and_the_place_of_the_boards_are_told_and_read_again(memory: Any, tmp_path: Path) -> None:
    found = host_info(HostFacts(tmp_path, memory).as_json())
    assert found is not None
    assert (found.memory_bytes, found.memory_of, found.boards, found.stop) == (8 << 30, "/cg/jqd", str(tmp_path), "")
    assert 0 < (found.boards_free_bytes or 0) <= (found.boards_bytes or 0)


def test_they_are_looked_at_once_a_minute(memory: Any, tmp_path: Path, clock: Clock) -> None:
    facts = HostFacts(tmp_path, memory)
    first = facts.as_json()
    memory.total_bytes = 1 << 30
    clock.now_s += 59
    assert facts.as_json() == first
    clock.now_s += 2
    assert json.loads(facts.as_json())["memory_bytes"] == 1 << 30


def test_why_a_drain_is_not_waited_for_is_told_at_once(memory: Any, tmp_path: Path, clock: Clock) -> None:
    facts = HostFacts(tmp_path, memory)
    facts.as_json()
    facts.tell_stop_complaint("supervisord kills jqd")
    assert json.loads(facts.as_json())["stop"] == "supervisord kills jqd"


def test_a_runtime_directory_that_is_gone_is_no_reason_to_fail(memory: Any, tmp_path: Path) -> None:
    found = host_info(HostFacts(tmp_path / "gone", memory).as_json())
    assert found is not None
    assert (found.boards_free_bytes, found.boards_in_memory) == (None, None)


def test_the_file_system_is_the_one_of_the_device(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "1 0 0:999 / / rw - ext4 /dev/x rw\n"
        f"2 1 {os.major(device)}:{os.minor(device)} / /here rw,nosuid shared:3 - tmpfs tmpfs rw\n"
    )
    assert file_system_of(tmp_path, mountinfo) == "tmpfs"
    assert file_system_of(tmp_path, tmp_path / "none") == ""


@pytest.mark.parametrize(("kind", "in_memory"), [("tmpfs", True), ("ext4", False), (None, None)])
def test_whether_boards_lie_in_memory_is_told_where_it_is_known(
    memory: Any, tmp_path: Path, kind: str | None, in_memory: bool | None
) -> None:
    device, mountinfo = tmp_path.stat().st_dev, tmp_path / "mountinfo"
    if kind:
        mountinfo.write_text(f"2 1 {os.major(device)}:{os.minor(device)} / /here rw - {kind} {kind} rw\n")
    found = host_info(HostFacts(tmp_path, memory, mountinfo).as_json())
    assert found is not None
    assert found.boards_in_memory is in_memory


@pytest.mark.parametrize("said", [None, b"", b"nonsense", b"[]"])
def test_what_says_nothing_is_nothing(said: Any) -> None:
    assert host_info(said) is None


def test_values_that_make_no_sense_count_as_not_told() -> None:
    assert host_info(b'{"stop": 1, "memory_bytes": "x", "boards_in_memory": "yes"}') == HostInfo()
