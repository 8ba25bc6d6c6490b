"""The how-tos, done for real: each example is run on a server, each console block is compared with what is printed.

A page stands in a directory of its own. A block with a title is a file there; the other Python blocks are run from the
top of the page to its end, as one program. An expression whose comment is a value has that value.
"""

from __future__ import annotations

import ast
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jqjobs import App
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import new_ids
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.schedules import plan
from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import LEASE_MS, QueueSystem
from unit.docs.pages import HOW_TO, ROOT, Fence, commands, fences, shape

#: Pages whose jobs are run by the call that enqueues them; on the others they wait in Redis.
RUN_AT_ONCE = {"write-jobs", "retries", "results", "third-parties", "logging"}
#: What a test does not run: it changes the machine, waits for ever, or needs a daemon (those are in tests/e2e).
NOT_HERE = ("install ", "python manage.py", "cp ", "mkdir ", "printf ", "systemctl ", "supervisorctl ", "pip ", "jqd ",
            "jqctl daemon reload", "python -m pytest", "jqctl metrics --listen", "jqctl scale --every")  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_server: Server) -> Iterator[Path]:
    """Where a page lives; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("JQ_REDIS_URL", any_server.url)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            forget(sys.modules.pop(name))


def forget(module: ModuleType) -> None:
    """Close what a page has opened."""
    for each in list(vars(module).values()):
        if isinstance(each, App):
            each.client.close()
        elif isinstance(each, sqlite3.Connection):
            each.close()
        elif hasattr(each, "dispose"):  # SQLAlchemy's engine
            each.dispose()


def write_files(page: Path, directory: Path) -> list[Fence]:
    """Write the blocks that are files, and return the others in Python."""
    blocks = fences(page)
    for block in blocks:
        if block.title:
            (directory / block.title).parent.mkdir(exist_ok=True)
            (directory / block.title).write_text(block.body)
    return [block for block in blocks if block.language == "python" and not block.title]


def run(source: str, names: dict[str, Any]) -> None:
    """Run a program statement by statement. An expression with a value for a comment must have that value."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Expr):
            exec(compile(ast.Module([node], []), "<page>", "exec"), names)
            continue
        answer = eval(compile(ast.Expression(node.value), "<page>", "eval"), names)
        comment = lines[(node.end_lineno or 1) - 1].partition("  # ")[2]
        try:
            wanted = ast.literal_eval(comment)
        except (SyntaxError, ValueError):
            continue
        assert answer == wanted, ast.unparse(node)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_example_runs(page: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.stem in RUN_AT_ONCE:
        monkeypatch.setenv("JQ_ENGINE", "sync")
    program = ModuleType("page")  # dataclasses look for their module
    monkeypatch.setitem(sys.modules, "page", program)
    for block in write_files(page, directory):
        run(block.body, vars(program))
    forget(program)


def speak_to_this_django(tasks: Path) -> None:
    """Have tasks use Django's own framework where there is no other."""
    if find_spec("django_tasks") is None:
        tasks.write_text(tasks.read_text().replace("from django_tasks import", "from django.tasks import"))


def files_with_tests(page: Path) -> list[str]:
    return [block.title for block in fences(page) if block.title.startswith("test_")]


@pytest.mark.parametrize("page", [page for page in HOW_TO if files_with_tests(page)], ids=lambda page: page.stem)
def test_every_test_of_a_page_passes(page: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JQ_REDIS_URL")
    write_files(page, directory)
    if not (directory / "pyproject.toml").exists():
        (directory / "pytest.ini").write_text("[pytest]\n")
    runners = [["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey", *files_with_tests(page)]]
    if page.stem == "django":
        speak_to_this_django(directory / "shop" / "tasks.py")
        runners.append(["django", "test", "--settings=settings", "test_views"])
    for runner in runners:
        command = [sys.executable, "-m", *runner]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_module_of_a_page_is_one(page: Path, directory: Path) -> None:
    """Also those that no example and no test imports."""
    write_files(page, directory)
    modules = [
        block.title for block in fences(page) if block.title.endswith(".py") and not block.title.startswith("test_")
    ]
    if modules and page.stem != "django":
        each = "import runpy, sys\nfor name in sys.argv[1:]: runpy.run_path(name, run_name='__main__')"
        command = [sys.executable, "-c", each, *modules]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


def kill_mails(system: QueueSystem) -> None:
    """A thousand dead of one error, as the incident has them."""
    system.run(upkeep.add_queues(["emails"]))
    ids = new_ids(1000)
    for start in range(0, 1000, 250):
        system.add(*ids[start : start + 250], queue="emails", name="send_welcome")
        jobs = system.take(want=250, queues=("emails",))
        error = "SMTPError: no route to host"
        ends = [Outcome.discarded(job, error=error, line=b"{}", group="f1") for job in jobs]
        system.trip("w", 0, ends, queues=("emails",))


def add_mails(system: QueueSystem) -> None:
    system.run(upkeep.add_queues(["emails"]))
    system.add("a", "b", "c", queue="emails", name="send_welcome")


def publish_schedules(system: QueueSystem) -> None:
    """What a worker that has the page's app publishes."""
    import shop  # the page's

    for schedule in shop.app.load().registry.schedules:
        system.run(upkeep.add_queues([schedule.queue]))
        system.run(plan(schedule.queue, LEASE_MS, "shop:app", {schedule.name: schedule.entry()}))


def open_batch(system: QueueSystem) -> None:
    """The batch of the page, with two rows, before anybody works; and what a worker of the page's app publishes."""
    import shop  # the page's

    for queue in shop.app.registry.queues():
        system.run(leases.publish(queue, LEASE_MS, shop.app.registry.catalog(), shop.app.registry.parameters(queue)))
    with shop.app.batch("import-7", then=shop.report.call(7), always=shop.unlock.call(7)) as batch:
        batch.add_many(shop.import_row, [(row,) for row in range(2)])


def add_orders(system: QueueSystem) -> None:
    system.run(upkeep.add_queues(["orders"]))
    system.add("a", queue="orders")


PREPARE: dict[str, Callable[[QueueSystem], None]] = {
    "incident": kill_mails, "jqctl": kill_mails, "redis": add_orders, "backup": add_mails,
    "periodic": publish_schedules, "workflows": open_batch,
}  # fmt: skip


def is_run_here(command: str) -> bool:
    return not command.startswith(NOT_HERE)


@pytest.fixture
def system(live_system: QueueSystem) -> QueueSystem:
    return live_system


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_command_prints_what_is_shown(
    page: Path, directory: Path, system: QueueSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [block for block in fences(page) if block.language == "console"]
    said = [pair for block in blocks for pair in commands(block.body) if is_run_here(pair[0])]
    write_files(page, directory)
    PREPARE.get(page.stem, lambda system: None)(system)
    terminal = Terminal(system.url, capsys)
    ids: dict[str, str] = {}
    for command, shown in said:
        words, _, file = command.partition(" > ")
        program, *rest = [ids.get(word, word) for word in shlex.split(words)]
        assert program == "jqctl", f"nobody runs {command!r}"
        terminal.run(*rest)
        if file:
            (directory / file).write_text(terminal.out)
        printed = terminal.err if file else terminal.out
        assert shape(printed) == shape(shown), command
        ids |= dict(zip(samples(shown), samples(printed), strict=True))


def samples(text: str) -> list[str]:
    """The ids in the last column, which later commands name with their queue."""
    found = [line.split()[-1] for line in text.splitlines() if shape(line.split()[-1]) == "ID"]
    return [each if "/" in each else f"emails/{each}" for each in found]


def test_what_is_not_run_here_shows_no_answer_but_that_of_a_test() -> None:
    shown = [
        (page.stem, command) for page in HOW_TO for block in fences(page) if block.language == "console"
        for command, answer in commands(block.body) if answer.strip() and not is_run_here(command)
    ]  # fmt: skip
    assert shown == [("django", "python -m pytest -q"), ("testing", "python -m pytest -q")]
    assert ROOT / "docs" / "how-to" / "index.md" in HOW_TO
