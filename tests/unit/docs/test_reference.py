"""docs/reference is what `make reference` writes, and each thing of the code stands there by its name."""

from __future__ import annotations

import re
import typing
from inspect import signature

import pytest

import jqjobs
from jqjobs import App, Job
from jqjobs.base.events import EVENTS
from jqjobs.cli.jqd import OPTIONS, command, flag_of
from jqjobs.daemon.health import probes
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.records import State
from reference import commands, objects, records, settings
from reference.__main__ import FOLDER
from reference.pages import BY_HAND, PAGES, text_of
from unit.docs.pages import PACKAGE, ROOT, chapter, first_cells

#: Variables that jqd hands to workers, successors and commands, and one that stands for all; nobody sets them.
INTERNAL = {"JQ_WORKER", "JQ_RELAY", "JQ_HANDOVER", "JQ_ALERT_", "JQ_X_Y"}


def page(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_has_it(name: str) -> None:
    assert page(name) == text_of(name), "run `make reference`"


def test_every_page_is_in_the_index() -> None:
    by_hand = {name for name in BY_HAND if not name.startswith("..")}
    assert {path.name for path in FOLDER.glob("*.md")} == PAGES.keys() | by_hand
    assert set(re.findall(r"\]\((.*?)\)", page("index.md"))) == PAGES.keys() - {"index.md"} | BY_HAND.keys()


def test_every_option_of_jobs_calls_and_schedules_is_there() -> None:
    options = page("options.md")
    for title, function in (("Jobs", typing.get_overloads(App.job)[1]), ("Calls", Job.options), ("App", App.__init__)):
        assert first_cells(chapter(options, title).partition("|---")[2]) >= signature(function).parameters.keys() - {
            "self"
        }


def test_every_setting_of_the_daemon_is_there_with_its_variable() -> None:
    said = page("settings.md")
    assert [setting for setting in OPTIONS if f"`{flag_of(setting)} " not in said] == []
    assert OPTIONS.keys() == {name for name in DaemonSettings.__slots__ if name != "redis_url"}


def test_every_variable_that_the_code_reads_or_speaks_of_is_there() -> None:
    said = set(re.findall(r"JQ_[A-Z_]+", page("settings.md")))
    spoken = {
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r"\bJQ_[A-Z_]{3,}\b", path.read_text("utf-8"))
    }
    read = {f"JQ_{name.upper()}" for path in PACKAGE.rglob("*.py") if path.name != "jqd.py"
            for name in re.findall(r"nvironment(?:\(\))?\.get\(\"(\w+)\"\)", path.read_text("utf-8"))}  # fmt: skip
    assert (spoken | read) - INTERNAL - said == set()


@pytest.mark.parametrize("setting", OPTIONS)
def test_the_default_that_help_names_is_the_one_it_has(setting: str) -> None:
    read, _, text = OPTIONS[setting]
    _, named = settings.about(text)
    own = settings.default_of(setting)
    if own in ("", None, 0, ()) or setting == "processes":
        return  # said in words, such as "nowhere" or "every queue of the app"
    read = read.convert if hasattr(read, "convert") else read
    assert (read(named, None, None) if read.__name__ == "convert" else read(named)) == own


def test_every_command_is_there_and_so_is_each_of_its_options() -> None:
    said = page("jqctl.md")
    for context in commands.commands():
        told = chapter(said, context.command_path)
        flags = {flag for each in context.command.params for flag in each.opts if flag.startswith("--")}
        common = {"--redis", "--prefix", "--json", "--output", "--help"}
        assert {flag for flag in flags - common if flag not in told} == set(), context.command_path


def test_every_command_that_answers_in_json_is_there() -> None:
    told = " ".join(re.findall(r"^\| ([^`|]+) \|", page("json.md"), re.MULTILINE))
    others = {"client", "completion", "metrics", "web", "passwd", "export"}  # they print text, files, or serve
    last = {str(context.info_name) for context in commands.commands()} - others
    assert {name for name in last if not re.search(rf"\b{name}\b", told)} == set()


def test_every_option_of_jqd_is_there() -> None:
    flags = {flag for each in command.params for flag in each.opts}
    assert {flag for flag in flags if f"`{flag}" not in page("jqd.md")} == set()


def test_every_public_exception_is_there() -> None:
    public = [getattr(jqjobs, name) for name in jqjobs.__all__]
    kinds = {each.__name__ for each in public if isinstance(each, type) and issubclass(each, BaseException)}
    assert set(re.findall(r"^## (\w+)$", page("exceptions.md"), re.MULTILINE)) == kinds


@pytest.mark.parametrize("kind", [App, Job, jqjobs.JobHandle, jqjobs.Queue])
def test_every_method_is_there(kind: type) -> None:
    headings = set(re.findall(r"^### (\S+)$", page("objects.md"), re.MULTILINE))
    assert {f"{kind.__name__}.{name}" for name in objects.public_members(kind)} <= headings


@pytest.mark.parametrize("record", records.RECORDS, ids=lambda record: record.__name__)
def test_every_field_is_there_and_no_field_that_is_gone_is_explained(record: typing.Any) -> None:
    _, meanings = records.RECORDS[record]
    assert meanings.keys() == set(record._fields)
    assert first_cells(chapter(page("records.md"), record.__name__)) == set(record._fields)


def test_every_state_is_there() -> None:
    said = page("glossary.md")
    assert first_cells(chapter(said, "States of a job")) >= {state.value for state in State}
    assert first_cells(chapter(said, "States of a daemon")) == set(probes.STATES)


def test_every_metric_is_there() -> None:
    named = {
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r'Family\(\s*"(\w+)"', path.read_text("utf-8"))
    }
    assert first_cells(page("metrics.md")) == named
    assert len(named) > 10


def test_every_event_is_in_the_page_of_log_lines() -> None:
    assert first_cells((ROOT / "docs" / "logs.md").read_text("utf-8")) >= EVENTS.keys()


@pytest.mark.parametrize("name", PAGES)
def test_links_of_the_reference_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        file, _, anchor = target.partition("#")
        linked = FOLDER / (file or name)
        assert linked.exists(), target
        titles = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, (
            target
        )
