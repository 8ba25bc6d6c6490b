"""What follows from a change or a HUP: which step comes when, and that none of them sticks or is done twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.deploys import source_changes as module
from jqjobs.daemon.deploys.release import Release, resolve
from jqjobs.daemon.deploys.source_changes import Step, command_of, own_files
from unit.daemon.deploys.deploy_desk import DeployDesk, Worker
from unit.daemon.fake_workers import Lines


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Lines) -> Any:
    made = DeployDesk(tmp_path, monkeypatch)
    yield made
    made.sources.abandon()


def has_ended(pid: int) -> bool:
    """Say whether a child was waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_change_of_the_app_reloads_the_workers_once(desk: DeployDesk, logged: Lines) -> None:
    assert desk.sources.advance() is Step.NONE
    assert not desk.sources.is_under_way
    desk.change("/srv/shop.py")
    assert desk.woken == 1, "the main loop is waiting"
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert (desk.reload.begun, desk.turn.is_held, desk.sources.is_under_way) == (1, True, True)
    assert [line["paths"] for line in logged.of("source.changed")] == ["/srv/shop.py"]
    desk.reload.end()
    assert desk.advance_to(Step.NONE) == []
    assert not desk.turn.is_held, "the next daemon may go"
    assert not desk.sources.is_under_way
    for _ in range(3):
        assert desk.sources.advance() is Step.NONE
    assert desk.reload.begun == 1


def test_hup_does_the_same_without_a_change(desk: DeployDesk, logged: Lines) -> None:
    desk.sources.on_hup()
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert logged.of("source.changed") == []


def test_of_many_paths_a_few_are_shown(desk: DeployDesk, logged: Lines) -> None:
    desk.change(*[f"/srv/{n}.py" for n in range(8)])
    desk.advance_to(Step.RELOADING)
    assert logged.of("source.changed")[0]["paths"].endswith("/srv/4.py and 3 more")


def test_the_workers_go_on_until_it_is_this_daemons_turn(desk: DeployDesk) -> None:
    desk.turn.is_free = False
    desk.change()
    for _ in range(5):
        assert desk.sources.advance() is Step.NONE
    assert desk.sources.step is Step.WAITING_FOR_RELOAD
    assert (desk.reload.begun, desk.sources.is_under_way) == (0, True)
    desk.turn.is_free = True
    assert desk.sources.advance() is Step.RELOADING


def test_fifty_hups_while_it_waits_are_one_reload(desk: DeployDesk) -> None:
    desk.turn.is_free = False
    for _ in range(50):
        desk.sources.on_hup()
        desk.sources.advance()
    desk.turn.is_free = True
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert desk.reload.begun == 1


def test_a_change_while_workers_are_rolled_starts_that_over(desk: DeployDesk) -> None:
    desk.change()
    desk.advance_to(Step.RELOADING)
    desk.change()
    assert desk.sources.advance() is Step.NONE
    assert (desk.reload.begun, desk.sources.step) == (2, Step.RELOADING)


def test_new_settings_are_checked_before_the_daemon_is_replaced(desk: DeployDesk) -> None:
    desk.settings = True
    desk.change()
    desk.sources.advance()
    assert desk.sources.step is Step.CHECKING
    [pid] = desk.sources.children()
    assert desk.advance_to(Step.EXEC) == [Step.EXEC]
    assert desk.sources.children() == set()
    assert has_ended(pid)
    assert (desk.reload.begun, desk.turn.is_held) == (0, True)
    for _ in range(3):
        assert desk.sources.advance() is Step.NONE, "it is said once"


def test_a_new_jqjobs_is_checked_too(desk: DeployDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_own_digests", lambda: {Path("/jqjobs/app.py"): b"another"})
    desk.sources.on_hup()
    assert desk.sources.step is Step.CHECKING


def test_the_daemon_is_replaced_only_when_it_is_its_turn(desk: DeployDesk) -> None:
    desk.settings, desk.turn.is_free = True, False
    desk.change()
    desk.advance_to(Step.WAITING_FOR_EXEC)
    assert desk.sources.advance() is Step.NONE
    desk.turn.is_free = True
    assert desk.sources.advance() is Step.EXEC


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("complains", "shop does not load: SyntaxError"),
        ("crashes", "NameError: name 'undefined_name' is not defined"),
        ("silent", "jqd --check ended with 3"),
    ],
)
def test_what_the_check_complains_of_refuses_the_change(
    desk: DeployDesk, logged: Lines, check: str, reason: str
) -> None:
    desk.settings = True
    desk.check(check)
    desk.change()
    desk.sources.advance()
    assert desk.advance_to(Step.NONE) == []
    assert reason in desk.sources.refusal
    assert [reason in line["error"] for line in logged.of("reload.refused")] == [True]
    assert (desk.turn.is_held, desk.sources.is_under_way, desk.sources.children()) == (False, False, set())
    for _ in range(3):
        desk.sources.advance()
    assert desk.sources.step is Step.NONE, "nothing is tried again by itself"


def test_the_next_change_is_tried_although_the_last_one_was_refused(desk: DeployDesk) -> None:
    desk.settings = "no such queue"
    desk.change()
    desk.sources.advance()
    assert desk.sources.refusal == "no such queue"
    desk.settings = False
    desk.change()
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert desk.sources.refusal == ""


def test_a_check_that_hangs_is_ended_and_refuses_the_change(desk: DeployDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_S", 0.0)
    desk.settings = True
    desk.check("hangs")
    desk.sources.on_hup()
    [pid] = desk.sources.children()
    desk.advance_to(Step.NONE)
    assert "took longer" in desk.sources.refusal
    assert has_ended(pid)


def test_a_change_during_the_check_starts_another_one(desk: DeployDesk) -> None:
    desk.settings = True
    desk.check("hangs")
    desk.change()
    desk.sources.advance()
    [first] = desk.sources.children()
    desk.check("fine")
    desk.change()
    assert desk.advance_to(Step.EXEC) == [Step.EXEC]
    assert has_ended(first)


def test_a_change_that_is_taken_back_during_the_check_reloads_the_workers_only(desk: DeployDesk) -> None:
    desk.settings = True
    desk.check("hangs")
    desk.change()
    desk.sources.advance()
    desk.settings = False
    desk.change()
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    assert desk.sources.children() == set()


def test_a_check_that_cannot_be_started_is_a_refusal_and_no_end(
    desk: DeployDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.settings = True
    monkeypatch.setattr(module, "command_of", lambda release: ["/nowhere/python"])
    desk.sources.on_hup()
    assert "/nowhere/python cannot be started" in desk.sources.refusal
    assert desk.sources.step is Step.NONE


def test_a_full_disk_is_a_refusal_and_no_end(desk: DeployDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    desk.settings = True
    desk.sources.on_hup()
    assert "No space left on device" in desk.sources.refusal
    assert desk.sources.step is Step.NONE


def test_a_refused_reload_is_told_and_gives_the_turn_back(desk: DeployDesk) -> None:
    desk.change()
    desk.advance_to(Step.RELOADING)
    desk.reload.end("SyntaxError")
    desk.advance_to(Step.NONE)
    assert desk.sources.refusal == "SyntaxError"
    assert not desk.turn.is_held


def test_who_ends_forgets_what_is_under_way_in_every_step(desk: DeployDesk) -> None:
    desk.settings, desk.turn.is_free = True, False
    desk.check("hangs")
    desk.change()
    desk.sources.advance()
    [pid] = desk.sources.children()
    desk.sources.abandon()
    assert (desk.sources.step, desk.sources.children(), desk.reload.abandoned) == (Step.NONE, set(), 1)
    assert has_ended(pid)
    desk.settings, desk.turn.is_free = False, True
    desk.change()
    desk.advance_to(Step.RELOADING)
    desk.sources.abandon()
    assert (desk.sources.step, desk.turn.is_held) == (Step.NONE, False)


def test_files_of_a_release_are_watched_by_the_way_that_leads_over_its_link(desk: DeployDesk, tmp_path: Path) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    desk.sources.release = resolve(tmp_path / "current")
    worker: Any = Worker()
    desk.sources.watch(worker, [f"{tmp_path}/releases/1/shop.py", "/opt/lib/other.py"])
    assert desk.watcher.files == worker.files == {f"{tmp_path}/current/shop.py", "/opt/lib/other.py"}


def test_what_a_worker_on_its_way_out_loads_is_not_watched(desk: DeployDesk) -> None:
    leaving: Any = Worker(plan=object())
    desk.sources.watch(leaving, ["/srv/old.py"])
    assert desk.watcher.files == set()


def test_what_the_daemon_depends_on_is_watched(desk: DeployDesk, tmp_path: Path) -> None:
    desk.sources.watch_own()
    assert str(tmp_path / ".env") in desk.watcher.files
    assert str(Path(module.__file__)) in desk.watcher.files


def test_after_a_reload_what_only_the_old_workers_had_loaded_is_forgotten(desk: DeployDesk) -> None:
    desk.reload.crew = [Worker(files={"/srv/new.py"}), Worker(plan=object(), files={"/srv/old.py"})]
    desk.change()
    desk.advance_to(Step.RELOADING)
    assert desk.watcher.kept is None
    desk.reload.end()
    desk.advance_to(Step.NONE)
    assert desk.watcher.kept is not None
    assert {path for path in desk.watcher.kept if path.startswith("/srv")} == {"/srv/new.py"}
    assert str(Path(module.__file__)) in desk.watcher.kept


def test_after_a_refused_reload_all_is_watched_as_before(desk: DeployDesk) -> None:
    desk.change()
    desk.advance_to(Step.RELOADING)
    desk.reload.end("SyntaxError")
    desk.advance_to(Step.NONE)
    assert desk.watcher.kept is None


def test_without_a_watcher_hup_works_and_nothing_is_watched(desk: DeployDesk) -> None:
    desk.sources.watcher = None
    worker: Any = Worker()
    desk.sources.watch(worker, ["/srv/shop.py"])
    desk.sources.on_hup()
    assert desk.advance_to(Step.RELOADING) == [Step.RELOADING]
    desk.reload.end()
    desk.advance_to(Step.NONE)


def test_the_daemon_is_started_again_as_it_was_and_in_its_directory_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release(tmp_path, (), tmp_path)
    monkeypatch.setattr(sys, "orig_argv", ["python3", "/srv/bin/jqd", "--app", "a:b", "--directory", "../x"])
    command = command_of(release)
    assert command == [sys.executable, *sys.orig_argv[1:], "--directory", str(tmp_path)], "the last one counts"
    monkeypatch.setattr(sys, "orig_argv", command)
    assert command_of(release) == command, "however often it is replaced"


def test_its_own_files_are_code_and_scripts_and_a_vanishing_package_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {path.name for path in own_files()}
    assert {"source_changes.py", "exchange.lua", "settle.lua", "jqd.py"} <= names
    monkeypatch.setattr(module, "__file__", str(tmp_path / "gone" / "daemon" / "deploys" / "source_changes.py"))
    assert own_files() == []


def test_the_check_runs_in_the_release_directory_and_asks_nobody(
    desk: DeployDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").touch()
    code = "import os, sys; sys.exit(0 if os.path.exists('here') and not sys.stdin.read() else 5)"
    monkeypatch.setattr(module, "command_of", lambda release: [sys.executable, "-c", code])
    desk.settings = True
    desk.sources.on_hup()
    assert desk.advance_to(Step.EXEC) == [Step.EXEC]
