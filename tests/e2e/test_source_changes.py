"""Deploys without a restart: what counts as a change on disk, what follows from it, and what a bad one does not do."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import jqjobs
from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from jqjobs.store.reads.registry import DaemonInfo, read_registry
from waiting import PATIENCE_S, eventually

APP = """\
from jqjobs import App
import texts

app = App()

@app.job(keep="1h")
def which() -> str:
    return texts.VERSION
"""


@pytest.fixture
def shop(site: Site) -> Path:
    """A release directory with an app of two modules."""
    return write_release(site.directory / "releases" / "1", "1")


def write_release(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "shop.py").write_text(APP)
    (directory / "texts.py").write_text(f'VERSION = "{version}"\n')
    return directory


def start(site: Site, directory: Path, *flags: str) -> Daemon:
    return site.start_daemon("--app", "shop:app", "--directory", str(directory), *flags)


def version(site: Site) -> object:
    """Return which version of the app runs jobs now."""
    return site.wait_for(site.send("which"), State.KEPT, PATIENCE_S).result


def wait_for_version(site: Site, wanted: str) -> None:
    """Wait until jobs run in a version: the old worker may take one more before it hears that it retires."""
    eventually(lambda: version(site) == wanted, PATIENCE_S, f"version {wanted} runs")


def reloads(daemon: Daemon) -> int:
    return len(daemon.events("worker.replaced"))


def shown(site: Site) -> DaemonInfo:
    with site.client.store() as store:
        [daemon] = read_registry(store).daemons
    return daemon


def test_fault_27_an_edit_a_rename_a_rollback_and_a_deletion_are_noticed(site: Site, shop: Path) -> None:
    daemon, texts = start(site, shop), shop / "texts.py"
    assert version(site) == "1"
    old = texts.stat()

    texts.write_text('VERSION = "2"\n')
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "2")

    (shop / "new.py").write_text('VERSION = "3"\n')
    (shop / "new.py").replace(texts)
    daemon.wait_for_event("worker.replaced", 2, PATIENCE_S)
    wait_for_version(site, "3")

    texts.write_text('VERSION = "1"\n')
    os.utime(texts, ns=(old.st_atime_ns, old.st_mtime_ns))  # as a rollback restores it: older than what runs
    daemon.wait_for_event("worker.replaced", 3, PATIENCE_S)
    wait_for_version(site, "1")

    texts.unlink()
    (shop / "texts").mkdir()
    (shop / "texts" / "__init__.py").write_text('VERSION = "4"\n')
    daemon.wait_for_event("worker.replaced", 4, PATIENCE_S)
    wait_for_version(site, "4")
    assert not daemon.events("worker.died")


def test_fault_27_a_touch_and_compiled_files_are_no_deploy(site: Site, shop: Path) -> None:
    daemon = start(site, shop)
    assert version(site) == "1"
    shutil.rmtree(shop / "__pycache__", ignore_errors=True)
    (shop / "texts.py").touch()
    (shop / "notes.txt").write_text("no module")
    (shop / "shop.py").write_text(APP)
    # A real change after them, in another file: only that one is reported.
    (shop / "texts.py").write_text('VERSION = "2"\n')
    changed = daemon.wait_for_event("source.changed", 1, PATIENCE_S)
    assert changed["paths"] == str(shop / "texts.py")


def test_fault_27_a_swapped_release_link_is_a_deploy(site: Site, shop: Path) -> None:
    current = site.directory / "current"
    current.symlink_to(shop)
    daemon = start(site, current)
    assert version(site) == "1"
    write_release(site.directory / "releases" / "2", "2")
    (site.directory / "next").symlink_to(site.directory / "releases" / "2")
    (site.directory / "next").replace(current)
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "2")
    daemon.wait_for_event("worker.gone", 1, PATIENCE_S)
    shutil.rmtree(shop)  # the old release is of no interest any more
    (current / "texts.py").write_text('VERSION = "3"\n')  # an edit in the new release
    daemon.wait_for_event("worker.replaced", 2, PATIENCE_S)
    wait_for_version(site, "3")
    assert daemon.events("source.changed")[1]["paths"] == str(current / "texts.py")


@pytest.mark.parametrize(
    ("broken", "said", "mend"),
    [
        ("def", "SyntaxError", lambda shop: None),
        ("import not_yet", "not_yet", lambda shop: (shop / "not_yet.py").touch()),
    ],
    ids=["syntax", "import"],
)
def test_fault_26_broken_code_is_refused_and_old_workers_go_on(
    site: Site, shop: Path, broken: str, said: str, mend: Callable[[Path], None]
) -> None:
    daemon = start(site, shop)
    workers = daemon.workers()
    (shop / "texts.py").write_text(f'VERSION = "2"\n{broken}\n')
    refusal = daemon.wait_for_event("reload.refused", 1, PATIENCE_S)
    assert said in refusal["error"]
    assert daemon.workers() == workers
    assert version(site) == "1"
    note = eventually(lambda: shown(site).note)
    assert note.startswith("reload refused")
    assert said in note
    assert shown(site).state == "running"

    mend(shop)
    if said == "SyntaxError":
        (shop / "texts.py").write_text('VERSION = "3"\n')
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "3" if said == "SyntaxError" else "2")
    eventually(lambda: not shown(site).note, what="the refusal is forgotten")
    assert len(daemon.events("reload.refused")) == 1, "it was not tried again before the files changed"


def test_changed_settings_replace_the_daemon_under_its_pid(site: Site, shop: Path) -> None:
    daemon = start(site, shop)
    (shop / ".env").write_text("JQ_PROCESSES=2\nJQ_MAX_JOBS=7\n")
    daemon.wait_for_event("daemon.started", 2, PATIENCE_S)
    daemon.wait_for_event("worker.ready", 2, PATIENCE_S)
    assert daemon.process.poll() is None
    assert shown(site).pid == daemon.pid
    jobs = [site.send("which") for _ in range(20)]
    assert {site.wait_for(job, State.KEPT).interrupts for job in jobs} == {0}
    assert daemon.wait_for_event("worker.recycle")["reason"] == "max_jobs"  # from .env; a flag has --processes
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_what_people_told_a_daemon_outlives_its_replacement(site: Site, shop: Path) -> None:
    daemon = start(site, shop)
    daemon.send(signal.SIGUSR2)
    daemon.send(signal.SIGTTIN)
    daemon.wait_for_event("worker.ready", 2)
    (shop / ".env").write_text("JQ_MAX_JOBS=7\n")
    daemon.wait_for_event("daemon.started", 2, PATIENCE_S)
    daemon.wait_for_event("worker.ready", 4, PATIENCE_S)
    eventually(lambda: (shown(site).state, shown(site).slots) == ("quiet", 2), PATIENCE_S)
    job = site.send("which")
    daemon.send(signal.SIGCONT)
    site.wait_for(job, State.KEPT, PATIENCE_S)


def test_settings_that_make_no_sense_are_refused(site: Site, shop: Path) -> None:
    daemon = start(site, shop)
    (shop / ".env").write_text("JQ_MAX_JOBS=many\n")
    assert "JQ_MAX_JOBS" in daemon.wait_for_event("reload.refused", 1, PATIENCE_S)["error"]
    assert version(site) == "1"
    (shop / ".env").write_text("SHOP_COLOUR=blue\n")  # nothing of ours: the app's own
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    assert len(daemon.events("daemon.started")) == 1


def test_a_new_jqjobs_is_tried_first_and_then_replaces_the_daemon(site: Site, shop: Path) -> None:
    copy = site.directory / "jqjobs"  # goes before the real one: the site's directory is first on the path
    shutil.copytree(Path(jqjobs.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    daemon = start(site, shop)
    version_py = copy / "version.py"
    version_py.write_text("__version__ = ")
    assert "version.py" in daemon.wait_for_event("reload.refused", 1, PATIENCE_S)["error"]
    assert version(site) == "1"

    version_py.write_text('__version__ = "9.9.9"\n')
    daemon.wait_for_event("daemon.started", 2, PATIENCE_S)
    daemon.wait_for_event("worker.ready", 2, PATIENCE_S)
    eventually(lambda: shown(site).version == "9.9.9", PATIENCE_S)
    assert shown(site).pid == daemon.pid
    assert version(site) == "1"


def test_a_term_while_it_is_being_replaced_ends_the_daemon(site: Site, shop: Path) -> None:
    (shop / "shop.py").write_text(
        APP + "\n@app.job(keep='1h')\ndef nap() -> None:\n    import time\n    time.sleep(4)\n"
    )
    daemon = start(site, shop)
    job = site.send("nap")
    eventually(lambda: site.status().active == 1)
    (shop / ".env").write_text("JQ_MAX_JOBS=7\n")
    daemon.wait_for_event("daemon.replacing", 1, PATIENCE_S)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert len(daemon.events("daemon.started")) == 1
    assert site.wait_for(job, State.KEPT).interrupts == 0


def test_with_watch_off_only_hup_reloads(site: Site, shop: Path) -> None:
    daemon = start(site, shop, "--watch", "off")
    (shop / "texts.py").write_text('VERSION = "2"\n')
    assert version(site) == "1"
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "2")
    (shop / ".env").write_text("JQ_MAX_JOBS=7\n")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_event("daemon.started", 2, PATIENCE_S)
    assert not daemon.events("source.changed")


def test_without_inotify_the_sweep_alone_notices(site: Site, shop: Path) -> None:
    daemon = start(site, shop, "--watch", "poll")
    (shop / "texts.py").write_text('VERSION = "2"\n')
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "2")


def test_a_module_that_a_job_imports_later_is_watched_too(site: Site, shop: Path) -> None:
    (shop / "shop.py").write_text(
        APP + "\n@app.job(keep='1h')\ndef late() -> int:\n    import later\n    return later.N\n"
    )
    (shop / "later.py").write_text("N = 1\n")
    daemon = start(site, shop)
    assert site.wait_for(site.send("late"), State.KEPT).result == 1
    (shop / "later.py").write_text("N = 2\n")
    daemon.wait_for_event("worker.gone", 1, PATIENCE_S)
    assert site.wait_for(site.send("late"), State.KEPT).result == 2


def test_a_module_that_is_written_while_the_job_that_imported_it_runs_is_loaded_anew(site: Site, shop: Path) -> None:
    (shop / "shop.py").write_text(
        APP + "\n@app.job(keep='1h')\ndef late() -> int:\n    import later\n    old = later.N\n"
        "    with open(later.__file__, 'w') as file:\n        file.write('N = 1 + 1\\n')\n    return old\n"
    )
    (shop / "later.py").write_text("N = 1\n")
    daemon = start(site, shop)
    assert site.wait_for(site.send("late"), State.KEPT).result == 1
    daemon.wait_for_event("worker.gone", 1, PATIENCE_S)
    assert site.wait_for(site.send("late"), State.KEPT).result == 2


def test_a_running_job_is_not_disturbed_by_a_deploy(site: Site, shop: Path) -> None:
    (shop / "shop.py").write_text(
        APP + "\n@app.job(keep='1h')\ndef nap() -> str:\n    import time\n    time.sleep(6)\n    return texts.VERSION\n"
    )
    daemon = start(site, shop)
    job = site.send("nap")
    eventually(lambda: site.status().active == 1)
    (shop / "texts.py").write_text('VERSION = "2"\n')
    daemon.wait_for_event("worker.replaced", 1, PATIENCE_S)
    wait_for_version(site, "2")
    info = site.wait_for(job, State.KEPT, PATIENCE_S)
    assert (info.result, info.executions, info.interrupts) == ("1", 1, 0)
    assert json.dumps(info.history) == "[]"
