"""Which pages there are, what each is about, and who writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from reference import answers, commands, exceptions, glossary, metrics, objects, options, records, settings

#: Written by hand, beside those that are made here.
BY_HAND = {
    "../logs.md": ("Log lines", "each event, its fields, and what to do about it"),
    "../protocol.md": ("Protocol", "keys, fields and messages, for producers in any language"),
}


class Page(NamedTuple):
    """One page. ``lines`` come below title and introduction."""

    title: str
    about: str
    lines: Callable[[], Iterator[str]]


def _index() -> Iterator[str]:
    yield from (f"- [{page.title}]({name}): {page.about}" for name, page in PAGES.items() if name != "index.md")
    yield from (f"- [{title}]({name}): {about}" for name, (title, about) in BY_HAND.items())


PAGES = {
    "index.md": Page("Reference", "each thing by its name", _index),
    "options.md": Page("Options", "what `App`, `@app.job`, `job.options` and `@app.periodic` take", options.lines),
    "objects.md": Page("Objects", "apps, jobs, handles, queues, running jobs: every method", objects.lines),
    "records.md": Page("Records", "every field of `info()`, `counts()`, `app.daemons()` and their kin", records.lines),
    "exceptions.md": Page("Exceptions", "every error, when it is raised, and what to do", exceptions.lines),
    "settings.md": Page("Settings", "of `jqd`, of producers, of `jqctl`; signals and exit codes", settings.lines),
    "jqd.md": Page("jqd", "the daemon's command line", commands.jqd_lines),
    "jqctl.md": Page("jqctl", "every command and option", commands.jqctl_lines),
    "json.md": Page("JSON", "what commands answer with `--json`", answers.lines),
    "metrics.md": Page("Metrics", "what Prometheus is told", metrics.lines),
    "glossary.md": Page("Glossary", "words and states: one word, one thing", glossary.lines),
}


def text_of(name: str) -> str:
    """Return a page as it is to be in docs/reference."""
    page = PAGES[name]
    about = page.about[0].upper() + page.about[1:]
    return "\n".join(["<!-- Written by `make reference`: change the code. -->", "", f"# {page.title}", "",
                      f"{about}.", "", *page.lines()]).rstrip("\n") + "\n"  # fmt: skip
