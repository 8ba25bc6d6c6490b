"""The options that say which jobs a command means, the same for `job list` and for all that acts on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from jqjobs.base.clock import duration_ms
from jqjobs.cli.names import job_names, queue_option
from jqjobs.jobs.selector import Selector, since_ms
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.search import Cursor, read_cursor
from jqjobs.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])


class Said(NamedTuple):
    """What the options say, None for those that are not given."""

    name: str | None
    error: str | None
    text: str | None
    since: str | None
    older_than: str | None
    key: str | None
    tag: str | None
    group: str | None

    @property
    def anything(self) -> bool:
        """Whether they say anything at all."""
        return any(value is not None for value in self)

    def selector(self, store: Store, state: str | None) -> Selector:
        """Return what they select, by the clock of Redis. Raises: InvalidName, InvalidOption."""
        since = None if self.since is None else since_ms(self.since, server_now_ms(store))
        older_s = None if self.older_than is None else duration_ms(self.older_than, "--older-than") / 1000
        return Selector(state, self.name, self.error, self.text, self.key, since, older_s, self.tag, self.group).check()


class How(NamedTuple):
    """What the options say of an act on many jobs."""

    dry_run: bool
    yes: bool
    cursor: Cursor | None


_SAID = (
    click.option("--name", metavar="JOB", shell_complete=job_names, help="Jobs of this name."),
    click.option(
        "--error", metavar="TEXT", help="With this in class or message of the error; or dead for this reason."
    ),
    click.option("--text", metavar="TEXT", help="With this in the arguments, which are JSON."),
    click.option("--since", metavar="WHEN", help="Come into the state since then: 2h, 2026-01-31T12:00, or ms."),
    click.option("--older-than", metavar="TIME", help="In the state for so long: 30m, 7d."),
    click.option("--key", metavar="KEY", help="The job with this coalescing key."),
    click.option("--tag", metavar="TAG", help="Jobs with this tag."),
    click.option("--group", metavar="GROUP", help="Jobs of this group."),
)


def _as_cursor(_: click.Context, __: click.Parameter, value: str | None) -> Cursor | None:
    return None if value is None else read_cursor(value)


_HOW = (
    click.option("--dry-run", is_flag=True, help="Only say how many there are."),
    click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can answer."),
    click.option("--cursor", metavar="TEXT", callback=_as_cursor, help="Go on where it was stopped, as it said."),
)


def selects_jobs(function: F) -> F:
    """Give a command the options of a selector; it gets them as one argument, ``said``."""
    return _gathered("said", Said, _SAID, function)


def acts_on_many(function: F) -> F:
    """Give a command the option ``queue``, those of a selector as ``said``, and those of an act as ``how``."""
    queue = queue_option("Instead of ids: jobs of this queue, all that are selected.")
    return queue(selects_jobs(_gathered("how", How, _HOW, function)))


def _gathered(name: str, kind: type[Said | How], options: Sequence[Callable[[Any], Any]], function: F) -> F:
    """Return a command with these options, which are one argument for it."""

    @wraps(function)
    def gathered(*args: Any, **given: Any) -> Any:
        given[name] = kind(**{each: given.pop(each) for each in kind._fields})
        return function(*args, **given)

    decorated: Any = gathered
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
