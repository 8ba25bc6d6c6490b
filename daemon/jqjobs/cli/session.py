"""What every jqctl command shares: which Redis it speaks to, and whether it answers in JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from jqjobs.base.config import Environment, working_directory
from jqjobs.base.prefix import check_prefix
from jqjobs.cli.output import complain, write_json, write_lines
from jqjobs.cli.tables import Part
from jqjobs.errors import JqError, StoreError, StoreUnavailable
from jqjobs.store.login import address_of
from jqjobs.store.reads.damage import explain
from jqjobs.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

#: What an answer may look like.
FORMS = ("table", "wide", "json", "ids")
#: That of what names nothing another command takes, and of what has a format of its own.
WITHOUT_IDS, FOR_PEOPLE = FORMS[:3], FORMS[:2]
_EMBEDDED = "embedded:"
#: Given with a command, and nobody else's business.
_NOT_NOTED = ("token", "result", "yes")
_EMBEDDED_HINT = "the embedded server runs while a daemon with this URL does: jqd --app yourpackage.jobs:app"


@dataclass
class Session:
    """The options of one run of jqctl, and the two things commands do with them: ask Redis and answer."""

    redis_flag: str | None = None
    prefix: str | None = None
    form: str = "table"
    #: Takes what people are shown, while there is a screen for it.
    screen: Callable[[tuple[Part, ...]], None] | None = None
    _kept: Store | None = None
    _keeps: bool = False

    @property
    def as_json(self) -> bool:
        """Whether the answer is a JSON object."""
        return self.form == "json"

    @property
    def is_wide(self) -> bool:
        """Whether people want to see all, however wide it gets."""
        return self.form == "wide"

    def answers_in(self, *forms: str, where: str = "") -> None:
        """Raise UsageError when the answer is asked for in another form than these: before anything is done.

        ``where``: by which words of the command it is so, "" by any.
        """
        if self.form not in forms:
            path = click.get_current_context().command_path
            raise click.UsageError(f"-o {self.form} is not for {path}{where and f' with {where}'}: "
                                   f"it answers as {' or '.join(forms)}")  # fmt: skip

    @contextmanager
    def store(self, timeout_s: float | None = None) -> Iterator[Store]:
        """Connect, lend the store, close it. ``timeout_s`` None: JQ_TIMEOUT.

        Raises: ConfigError, StoreUnavailable, StoreRefused.
        """
        if self._kept is not None:
            yield self._kept
            return
        settings = Environment()
        url = settings.redis_url(self.redis_flag, self.prefix)
        address = address_of(plain_url(url), settings)
        if address.is_unverified and not self.as_json:
            complain("jqctl: the certificate of Redis is not checked: ssl_cert_reqs=none")
        timeout_s = timeout_s or settings.timeout_s()
        store = Store(address, timeout_s=timeout_s, patience_s=timeout_s, name="jqctl")
        try:
            store.wire.connect()
            self._kept = store if self._keeps else None
            yield store
        except StoreError as error:
            explain(store, error)
            if isinstance(error, StoreUnavailable) and url.startswith(_EMBEDDED) and not error.unanswered:
                error.hint = _EMBEDDED_HINT
            raise
        finally:
            if self._kept is None:
                store.close()

    @contextmanager
    def keeps_store(self) -> Iterator[None]:
        """Until the end of this the store that is lent is the same one each time."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            if self._kept is not None:
                self._kept.close()
                self._kept = None

    @contextmanager
    def acting(self) -> Iterator[Store]:
        """Do what `store` does for a command that acts, noted for `jqctl audit`."""
        with self.store() as store, noted(store):
            yield store

    def show(self, answer: Mapping[str, Any], parts: Iterable[Part], ids: Iterable[str] = ()) -> None:
        """Write the answer as JSON, or the lines and tables that tell the same to a person.

        ``ids``: what another command takes, of what is listed or was done. A command that has none calls `answers_in`.
        """
        if self.as_json:
            write_json(answer)
        elif self.form == "ids":
            write_lines(ids)
        elif self.screen is not None:
            self.screen(tuple(parts))
        else:
            write_lines(parts, wide=self.is_wide)


@contextmanager
def noted(store: Store) -> Iterator[None]:
    """Note who gives this command, with what: before it acts, whatever becomes of it, and then that it failed.

    Raises: StoreError when that cannot be noted; then nothing is done.
    """
    from jqjobs.cli.person import who
    from jqjobs.store.calls.audit import note_act, note_failure

    context = click.get_current_context()
    act = context.command_path.partition(" ")[2]
    note = store.run(note_act(who(), act, _given(context)))
    try:
        yield
    except JqError as error:
        try:
            store.run(note_failure(note, error.code))
        except StoreError as why:
            complain(f"jqctl: that this failed could not be noted: {why.in_one_line()}")
        raise


def _given(context: click.Context) -> dict[str, Any]:
    """Return what was said on the command line, secrets left out."""
    said = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    named = {name: value for name, value in context.params.items() if name not in _NOT_NOTED}
    return {name: value for name, value in named.items() if context.get_parameter_source(name) in said}


def plain_url(url: str) -> str:
    """Return a URL that can be connected to: that of its socket, for an embedded server. Raises: ConfigError."""
    if not url.startswith(_EMBEDDED):
        return url
    from jqjobs.embedded import socket_url

    return socket_url(url, working_directory())


def _remember_redis(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    if not value.strip():  # a variable of a script that is not set: whose Redis would we act on?
        raise click.BadParameter("it is empty")
    context.ensure_object(Session).redis_flag = value


def _remember_prefix(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).prefix = check_prefix(value, "--prefix")


def _remember_form(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        context.ensure_object(Session).form = value


def _remember_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).form = "json"


def speaks_to_redis(function: F) -> F:
    """Give a command the options --redis, --prefix, --output and --json; they may stand before or after its name."""
    redis = click.option(
        "--redis", metavar="URL", expose_value=False, callback=_remember_redis,
        help="Where Redis is: redis://, rediss://, unix://, redis+sentinel://, redis+cluster:// or embedded:."
        " Default: JQ_REDIS_URL.",
    )  # fmt: skip
    prefix = click.option(
        "--prefix", metavar="NAME", expose_value=False, callback=_remember_prefix,
        help="What all keys begin with there. Default: JQ_PREFIX, or jq.",
    )  # fmt: skip
    form = click.option(
        "-o", "--output", type=click.Choice(FORMS), expose_value=False, callback=_remember_form,
        help="table fits the terminal; wide has all columns and rows; json is an object; ids are for other commands.",
    )  # fmt: skip
    json = click.option(
        "--json", is_flag=True, expose_value=False, callback=_remember_json, help="The same as -o json."
    )
    return redis(prefix(form(json(function))))


def asks_for_json(argv: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, one too that is not understood."""
    is_told_apart = any(flag in ("-o", "--output") and form == "json" for flag, form in pairwise(argv))
    return is_told_apart or not {"--json", "-ojson", "--output=json"}.isdisjoint(argv)
