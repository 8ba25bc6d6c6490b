"""Every command answers in every form, or refuses one by name before it does anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.jqctl import cli
from jqjobs.cli.session import FORMS
from jqjobs.jobs.records import Kind
from jqjobs.store.calls import daemons, upkeep
from jqjobs.store.calls.schedules import plan
from jqjobs.store.calls.waits import expect
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

#: One call of each command; {form} tells apart what it acts on, and what it makes.
CALLS = {
    "audit": "", "batch open": "q/b-{form}", "daemon list": "", "doctor": "",
    "enqueue": "n --queue q --id made-{form}", "errors": "",
    "job cancel": "q/later-{form}", "job delete": "--yes q/dead-{form}",
    "job enqueue": "n --queue q --id also-{form}", "job export": "--queue q --state dead", "job import": "none.jsonl",
    "job list": "--queue q --state dead", "job move": "--to other q/move-{form}", "job promote": "q/soon-{form}",
    "job resolve": "q/waits-{form} --token secret", "job retry": "q/again-{form}", "job run": "n --app forms_app:app",
    "job show": "q/shown", "jobs": "", "metrics": "", "ping": "", "queue list": "", "queue pause": "q",
    "queue repartition": "spread-{form} 2", "queue resume": "q", "queue set": "q --max-dead 1000",
    "recent": "", "scale": "",
    "schedule add": "added:{form} n --queue q --every 1h", "schedule list": "", "schedule next": "nightly -n 1",
    "schedule pause": "nightly", "schedule remove": "added:{form}", "schedule resume": "nightly",
    "schedule run": "nightly", "schedule show": "nightly", "status": "", "top": "--once",
}  # fmt: skip
#: Seen elsewhere: they need a daemon that answers, a batch or an outbox, go on until they are stopped, or speak to no
#: Redis.
ELSEWHERE = {
    "batch cancel", "batch close", "batch list", "batch retry", "batch show", "client", "completion",
    "daemon drain", "daemon dump", "daemon quiet", "daemon reload", "daemon resume", "daemon scale",
    "daemon stop", "new job", "outbox migrate", "outbox run", "outbox status", "tail", "web", "web passwd",
}  # fmt: skip
#: What they tell names nothing that other commands take.
REFUSED = dict.fromkeys(
    ("audit", "doctor", "job export", "job import", "job run", "metrics", "ping", "schedule next"), ("ids",)
)


@pytest.fixture
def world(system: QueueSystem) -> QueueSystem:
    """A daemon, a schedule, and for each form a job that each command may act on."""
    system.run(upkeep.add_queues(["q"]))
    system.run(daemons.register("d1", 60_000, {"name": "web", "state": "running", "queues": "q"}, {}))
    system.run(
        plan("q", 60_000, "shop:app", {"nightly": json.dumps({"job": "n", "payload": "{}", "cron": "0 3 * * *"})})
    )
    system.add("shown", *(f"{what}-{form}" for what in ("later", "soon", "move") for form in FORMS), due="+3600000")
    for what, kind in (("waits", None), ("dead", Kind.DISCARDED), ("again", Kind.DISCARDED)):
        system.add(*(f"{what}-{form}" for form in FORMS))
        for job in system.take("w", 10):
            if kind is None:
                assert system.run(expect("q", "w", job.id, job.attempt, "secret"))
                system.settle("w", job, Kind.WAITING, 60_000)
            else:
                system.settle("w", job, kind)
    Path("none.jsonl").touch()
    Path("forms_app.py").write_text("from jqjobs import App\napp = App()\n@app.job(name='n')\ndef n():\n    return 1\n")
    return system


def commands(group: click.Group, *path: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name))


def test_every_command_is_seen_here_or_elsewhere() -> None:
    assert sorted(commands(cli)) == sorted([*CALLS, *ELSEWHERE])


def test_every_command_answers_in_every_form(
    world: QueueSystem, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(".")
    for command, words in CALLS.items():
        for form in FORMS:
            said = [*command.split(), *words.format(form=form).split()]
            code = terminal.run(*said, "-o", form)
            if form in REFUSED.get(command, ()):
                assert (code, terminal.out) == (Exit.USAGE, ""), said
                assert f"-o {form} is not for jqctl {command}: it answers as " in terminal.err
                continue
            assert code == Exit.OK or command in ("doctor", "ping"), (said, terminal.err)
            lines = terminal.out.splitlines()
            if form == "json":
                assert all(isinstance(json.loads(line), dict) for line in lines), said
            elif form == "ids":
                assert all(re.fullmatch(r"[\w.-]+(/[\w.:-]+)?", line) for line in lines), said
            else:
                assert not lines[0].startswith("{") or command == "job export", said


def test_what_is_selected_is_not_acted_on_where_ids_are_asked_for(world: QueueSystem, terminal: Terminal) -> None:
    before = world.everything()
    for act in ("retry --queue q --all-dead", "cancel --queue q --state scheduled --all",
                "delete --queue q --state dead --yes", "move --queue q --state dead --to other --yes"):  # fmt: skip
        assert terminal.run("job", *act.split(), "-o", "ids") == Exit.USAGE
        assert "with --queue: it answers as table or wide or json" in terminal.err
    assert world.everything() == before
