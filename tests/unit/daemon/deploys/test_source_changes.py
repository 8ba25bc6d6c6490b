"""What follows from a change or a HUP: which step comes when, and that none of them sticks or is done twice."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import new_image, watched_files
from jqjobs.daemon.deploys.release import resolve
from jqjobs.daemon.deploys.source_changes import Step
from log_lines import Lines
from unit.daemon.deploys.fake_deploys import FakeDeploys, Worker

#: When a worker may have loaded what it tells of.
SINCE_NS, UNTIL_NS = 10**18, 10**18 + 5


def told(*paths: str) -> dict[str, Any]:
    """Return what a worker tells of files."""
    return {"event": "files", "paths": paths, "since_ns": SINCE_NS, "until_ns": UNTIL_NS}


@pytest.fixture
def deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Lines) -> Any:
    made = FakeDeploys(tmp_path, monkeypatch)
    yield made
    made.source_changes.abandon()


def has_ended(pid: int) -> bool:
    """Say whether a child was waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_change_of_the_app_reloads_the_workers_once(deploys: FakeDeploys, logged: Lines) -> None:
    assert deploys.source_changes.advance() is Step.NONE
    assert not deploys.source_changes.is_under_way
    deploys.change("/srv/shop.py")
    assert deploys.woken == 1, "the main loop is waiting"
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert (deploys.reload.begun, deploys.host_lock.is_held, deploys.source_changes.is_under_way) == (1, True, True)
    assert [line["paths"] for line in logged.of("source.changed")] == ["/srv/shop.py"]
    deploys.reload.end()
    assert deploys.advance_to(Step.NONE) == []
    assert not deploys.host_lock.is_held, "the next daemon may go"
    assert not deploys.source_changes.is_under_way
    for _ in range(3):
        assert deploys.source_changes.advance() is Step.NONE
    assert deploys.reload.begun == 1


def test_how_far_it_has_come_is_said_by_number(deploys: FakeDeploys) -> None:
    said = [deploys.source_changes.progress]
    deploys.source_changes.begin()
    said.append(deploys.source_changes.progress)
    deploys.advance_to(Step.RELOADING)
    said.append(deploys.source_changes.progress)
    deploys.reload.end()
    deploys.advance_to(Step.NONE)
    said.append(deploys.source_changes.progress)
    deploys.source_changes.begin()
    deploys.source_changes._refuse("SyntaxError: x")
    said.append(deploys.source_changes.progress)
    assert said == ["0 done", "1 going", "1 going", "1 done", "2 refused SyntaxError: x"]


def test_hup_does_the_same_without_a_change(deploys: FakeDeploys, logged: Lines) -> None:
    deploys.source_changes.begin()
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert logged.of("source.changed") == []


def test_of_many_paths_a_few_are_shown(deploys: FakeDeploys, logged: Lines) -> None:
    deploys.change(*[f"/srv/{n}.py" for n in range(8)])
    deploys.advance_to(Step.RELOADING)
    assert logged.of("source.changed")[0]["paths"].endswith("/srv/4.py and 3 more")


def test_the_workers_go_on_until_it_is_this_daemons_turn(deploys: FakeDeploys) -> None:
    deploys.host_lock.is_free = False
    deploys.change()
    for _ in range(5):
        assert deploys.source_changes.advance() is Step.NONE
    assert deploys.source_changes.step is Step.WAITING_FOR_RELOAD
    assert (deploys.reload.begun, deploys.source_changes.is_under_way) == (0, True)
    deploys.host_lock.is_free = True
    assert deploys.source_changes.advance() is Step.RELOADING


def test_fifty_hups_while_it_waits_are_one_reload(deploys: FakeDeploys) -> None:
    deploys.host_lock.is_free = False
    for _ in range(50):
        deploys.source_changes.begin()
        deploys.source_changes.advance()
    deploys.host_lock.is_free = True
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert deploys.reload.begun == 1


def test_a_change_while_workers_are_rolled_starts_that_over(deploys: FakeDeploys) -> None:
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    deploys.change()
    assert deploys.source_changes.advance() is Step.NONE
    assert (deploys.reload.begun, deploys.source_changes.step) == (2, Step.RELOADING)


def test_new_settings_are_checked_before_the_daemon_is_replaced(deploys: FakeDeploys) -> None:
    deploys.settings = True
    deploys.change()
    deploys.source_changes.advance()
    assert deploys.source_changes.step is Step.CHECKING
    [pid] = deploys.source_changes.children()
    assert deploys.advance_to(Step.EXEC) == [Step.EXEC]
    assert deploys.source_changes.children() == set()
    assert has_ended(pid)
    assert (deploys.reload.begun, deploys.host_lock.is_held) == (0, True)
    for _ in range(3):
        assert deploys.source_changes.advance() is Step.NONE, "it is said once"


def test_a_new_jqjobs_is_checked_too(deploys: FakeDeploys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_files, "own_digests", lambda: {Path("/jqjobs/app.py"): b"another"})
    deploys.source_changes.begin()
    assert deploys.source_changes.step is Step.CHECKING


def test_the_daemon_is_replaced_only_when_it_is_its_turn(deploys: FakeDeploys) -> None:
    deploys.settings, deploys.host_lock.is_free = True, False
    deploys.change()
    deploys.advance_to(Step.WAITING_FOR_EXEC)
    assert deploys.source_changes.advance() is Step.NONE
    deploys.host_lock.is_free = True
    assert deploys.source_changes.advance() is Step.EXEC


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("complains", "shop does not load: SyntaxError"),
        ("crashes", "NameError: name 'undefined_name' is not defined"),
        ("silent", "jqd --check ended with 3"),
    ],
)
def test_what_the_check_complains_of_refuses_the_change(
    deploys: FakeDeploys, logged: Lines, check: str, reason: str
) -> None:
    deploys.settings = True
    deploys.check(check)
    deploys.change()
    deploys.source_changes.advance()
    assert deploys.advance_to(Step.NONE) == []
    assert reason in deploys.source_changes.refusal
    assert [reason in line["error"] for line in logged.of("reload.refused")] == [True]
    assert (deploys.host_lock.is_held, deploys.source_changes.is_under_way, deploys.source_changes.children()) == (
        False,
        False,
        set(),
    )
    for _ in range(3):
        deploys.source_changes.advance()
    assert deploys.source_changes.step is Step.NONE, "nothing is tried again by itself"


def test_a_roll_goes_on_in_its_turn_though_a_later_change_is_refused(deploys: FakeDeploys) -> None:
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    deploys.settings = "no such queue"
    deploys.change()
    deploys.source_changes.advance()
    assert (deploys.host_lock.is_held, deploys.source_changes.refusal) == (True, "no such queue")
    deploys.reload.end()
    assert deploys.advance_to(Step.NONE) == []
    assert (deploys.host_lock.is_held, deploys.watcher.kept is None) == (False, False)


def test_the_next_change_is_tried_although_the_last_one_was_refused(deploys: FakeDeploys) -> None:
    deploys.settings = "no such queue"
    deploys.change()
    deploys.source_changes.advance()
    assert deploys.source_changes.refusal == "no such queue"
    deploys.settings = False
    deploys.change()
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert deploys.source_changes.refusal == ""


def test_a_check_that_hangs_is_ended_and_refuses_the_change(
    deploys: FakeDeploys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_image, "_CHECK_S", 0.0)
    deploys.settings = True
    deploys.check("hangs")
    deploys.source_changes.begin()
    [pid] = deploys.source_changes.children()
    deploys.advance_to(Step.NONE)
    assert "took longer" in deploys.source_changes.refusal
    assert has_ended(pid)


def test_a_change_during_the_check_starts_another_one(deploys: FakeDeploys) -> None:
    deploys.settings = True
    deploys.check("hangs")
    deploys.change()
    deploys.source_changes.advance()
    [first] = deploys.source_changes.children()
    deploys.check("fine")
    deploys.change()
    assert deploys.advance_to(Step.EXEC) == [Step.EXEC]
    assert has_ended(first)


def test_a_change_that_is_taken_back_during_the_check_reloads_the_workers_only(deploys: FakeDeploys) -> None:
    deploys.settings = True
    deploys.check("hangs")
    deploys.change()
    deploys.source_changes.advance()
    deploys.settings = False
    deploys.change()
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert deploys.source_changes.children() == set()


def test_a_check_that_cannot_be_started_is_a_refusal_and_no_end(
    deploys: FakeDeploys, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploys.settings = True
    monkeypatch.setattr(new_image, "command_of", lambda release: ["/nowhere/python"])
    deploys.source_changes.begin()
    assert "/nowhere/python cannot be started" in deploys.source_changes.refusal
    assert deploys.source_changes.step is Step.NONE


def test_a_full_disk_is_a_refusal_and_no_end(deploys: FakeDeploys, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    deploys.settings = True
    deploys.source_changes.begin()
    assert "No space left on device" in deploys.source_changes.refusal
    assert deploys.source_changes.step is Step.NONE


def test_a_refused_reload_is_told_and_gives_the_turn_back(deploys: FakeDeploys) -> None:
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    deploys.reload.end("SyntaxError")
    deploys.advance_to(Step.NONE)
    assert deploys.source_changes.refusal == "SyntaxError"
    assert not deploys.host_lock.is_held


def test_who_ends_forgets_what_is_under_way_in_every_step(deploys: FakeDeploys) -> None:
    deploys.settings, deploys.host_lock.is_free = True, False
    deploys.check("hangs")
    deploys.change()
    deploys.source_changes.advance()
    [pid] = deploys.source_changes.children()
    deploys.source_changes.abandon()
    assert (deploys.source_changes.step, deploys.source_changes.children(), deploys.reload.abandoned) == (
        Step.NONE,
        set(),
        1,
    )
    assert has_ended(pid)
    deploys.settings, deploys.host_lock.is_free = False, True
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    deploys.source_changes.abandon()
    assert (deploys.source_changes.step, deploys.host_lock.is_held) == (Step.NONE, False)


def test_files_of_a_release_are_watched_by_the_way_that_leads_over_its_link(
    deploys: FakeDeploys, tmp_path: Path
) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    deploys.files.release = resolve(tmp_path / "current")
    worker: Any = Worker()
    deploys.files.watch(worker, told(f"{tmp_path}/releases/1/shop.py", "/opt/lib/other.py"))
    assert deploys.watcher.files == worker.files == {f"{tmp_path}/current/shop.py", "/opt/lib/other.py"}


def test_what_is_written_while_it_may_be_loaded_is_a_change_and_after_a_reload_only_what_is_written_later(
    deploys: FakeDeploys,
) -> None:
    loading: Any = Worker(started_s=time.monotonic() - 60)
    ready: Any = Worker(state="ready")
    deploys.files.watch(loading, told("/srv/shop.py"))
    assert deploys.watcher.loaded_since_ns == pytest.approx(time.time_ns() - 60e9, abs=30e9)
    deploys.files.watch(ready, told("/srv/in_a_job.py"))
    assert deploys.watcher.loaded_since_ns == SINCE_NS
    deploys.files.keep([])
    for number, worker in enumerate([loading, ready]):
        deploys.files.watch(worker, told(f"/srv/made_{number}.py"))
        assert deploys.watcher.loaded_since_ns == UNTIL_NS, "an app that makes modules would reload for ever"


def test_what_a_worker_on_its_way_out_loads_is_not_watched(deploys: FakeDeploys) -> None:
    leaving: Any = Worker(plan=object())
    deploys.files.watch(leaving, told("/srv/old.py"))
    assert deploys.watcher.files == set()


def test_what_the_daemon_depends_on_is_watched(deploys: FakeDeploys, tmp_path: Path) -> None:
    deploys.files.watch_own()
    assert str(tmp_path / ".env") in deploys.watcher.files
    assert str(Path(watched_files.__file__)) in deploys.watcher.files


def test_after_a_reload_what_only_the_old_workers_had_loaded_is_forgotten(deploys: FakeDeploys) -> None:
    deploys.reload.workers = [Worker(files={"/srv/new.py"}), Worker(plan=object(), files={"/srv/old.py"})]
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    assert deploys.watcher.kept is None
    deploys.reload.end()
    deploys.advance_to(Step.NONE)
    assert deploys.watcher.kept is not None
    assert {path for path in deploys.watcher.kept if path.startswith("/srv")} == {"/srv/new.py"}
    assert str(Path(watched_files.__file__)) in deploys.watcher.kept


def test_after_a_refused_reload_all_is_watched_as_before(deploys: FakeDeploys) -> None:
    deploys.change()
    deploys.advance_to(Step.RELOADING)
    deploys.reload.end("SyntaxError")
    deploys.advance_to(Step.NONE)
    assert deploys.watcher.kept is None


def test_without_a_watcher_hup_works_and_nothing_is_watched(deploys: FakeDeploys) -> None:
    deploys.files.watcher = None
    worker: Any = Worker()
    deploys.files.watch(worker, told("/srv/shop.py"))
    deploys.source_changes.begin()
    assert deploys.advance_to(Step.RELOADING) == [Step.RELOADING]
    deploys.reload.end()
    deploys.advance_to(Step.NONE)


def test_the_check_runs_in_the_release_directory_and_asks_nobody(
    deploys: FakeDeploys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").touch()
    code = "import os, sys; sys.exit(0 if os.path.exists('here') and not sys.stdin.read() else 5)"
    monkeypatch.setattr(new_image, "command_of", lambda release: [sys.executable, "-c", code])
    deploys.settings = True
    deploys.source_changes.begin()
    assert deploys.advance_to(Step.EXEC) == [Step.EXEC]
