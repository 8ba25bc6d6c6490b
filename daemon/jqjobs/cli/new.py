"""`jqctl new job`: a job and its test, written into the project of an app. Nothing that is there is written over."""

from __future__ import annotations

import contextlib
import keyword
import sys
import tokenize
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from jqjobs.base.config import Environment
from jqjobs.cli.app_loading import load_whole_app
from jqjobs.cli.scaffold import text_of_job, text_of_test, with_job
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import ConfigError, Conflict, InvalidName
from jqjobs.jobs.records import check_name

if TYPE_CHECKING:
    from jqjobs.api.app import App


@click.group("new")
def new() -> None:
    """Begin a job."""


@new.command("job")
@click.argument("name")
@click.option("--app", "reference", metavar="MODULE:ATTR", help="The app, such as shop.app:app. Default: JQ_APP.")
@click.option("--queue", default="default", show_default=True, metavar="NAME", help="The queue that its calls go to.")
@click.option(
    "--module", metavar="MODULE", help="Where it goes. Default: the first one that the app imports, or its own."
)
@speaks_to_redis
@click.pass_obj
def new_job(session: Session, name: str, reference: str | None, queue: str, module: str | None) -> None:
    """Write the job NAME into a module of the app, and a test for it.

    The test goes into tests/ if there is such a directory, else it is written here. It passes as it stands: begin by
    changing it. Where there is such a job, or such a file, nothing is written.

    \b
    Examples:
      jqctl new job send_invoice --app shop.app:app
      jqctl new job send_invoice --app shop.app:app --queue emails --module shop.mails
    """
    session.answers_in(*WITHOUT_IDS)
    _check_function_name(name)
    check_name(queue, "queue")
    reference = reference or Environment().get("app") or ""
    with contextlib.redirect_stdout(sys.stderr):
        app = load_whole_app(reference)
        place = _module_of(app, reference, module)
    called, source, test = _name_of_app(app, place), _source_of(place), _test_path(name)
    if name in app.jobs or hasattr(place, name):
        raise Conflict(f"there is a {name} already", hint=f"look into {source}")
    with tokenize.open(source) as file:
        text, newline = with_job(file.read(), text_of_job(name, called, queue)), file.newlines
    own, _, attribute = reference.partition(":")
    app_at = (called, place.__name__) if "." in attribute else (attribute, own)
    _write_new(test, text_of_test(name, place.__name__, *app_at))
    source.write_text(text, file.encoding, newline=newline if isinstance(newline, str) else "\n")
    answer = {"name": name, "queue": queue, "module": str(source), "test": str(test)}
    session.show(answer, [f"{source}: {name}", f"{test}: its test", f"try it: python -m pytest {test}"])


def _check_function_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or not name.isascii():
        raise InvalidName(f"a function cannot be called {name!r}", hint="such as send_invoice")


def _module_of(app: App, reference: str, chosen: str | None) -> ModuleType:
    """Return the module that a new job belongs into. Raises: ConfigError."""
    own = reference.partition(":")[0]
    given = () if callable(app.registry.imports) else app.registry.imports
    name = chosen or next((name for name in given if "*" not in name), own)
    if name not in sys.modules:
        raise ConfigError(f"the app does not load {name!r}", hint=f"App(imports=[{name!r}]), or --module {own}")
    return sys.modules[name]


def _name_of_app(app: App, module: ModuleType) -> str:
    found = next((name for name, value in vars(module).items() if value is app), None)
    if found is None:
        raise ConfigError(f"{module.__name__} does not have the app", hint="import it there, or say --module")
    return found


def _source_of(module: ModuleType) -> Path:
    path = Path(module.__file__ or "")
    if path.suffix != ".py":
        raise ConfigError(f"{module.__name__} is no file of Python")
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _test_path(name: str) -> Path:
    folder = Path("tests")
    return (folder if folder.is_dir() else Path()) / f"test_{name}.py"


def _write_new(path: Path, text: str) -> None:
    """Raises: Conflict when there is such a file."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Conflict(f"there is a {path} already", hint="choose another name, or move that away") from None
