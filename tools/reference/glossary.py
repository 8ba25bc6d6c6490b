"""Words and states. Words are those of the house's own glossary, in docs/architecture.md; states have theirs here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jqjobs.jobs.records import State
from reference.markdown import code, table

_ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
#: State → (what it means, what ends it).
_STATES = {
    State.READY: ("next in its order", "a worker takes it"),
    State.SCHEDULED: ("due later: delayed, or between two tries", "its moment comes; `promote` does not wait for it"),
    State.ACTIVE: ("in a worker's hand, running or about to", "it ends, or its worker does"),
    State.HELD: ("a rate or concurrency limit holds it back", "the limit lets it through"),
    State.WAITING: ("its work was given to a third party", "an answer, or its deadline"),
    State.PARKED: (
        "no live worker offers its name, or a function that its arguments fit",
        "one does; where arguments fit none, `--park` too",
    ),
    State.SUSPECTS: ("it may have killed a worker: it runs apart from others", "it ends, or dies alone and is charged"),
    State.MOVING: ("on its way to another queue", "it is there, within seconds"),
    State.KEPT: ("it succeeded, and record and result are kept", "its `keep` time passes"),
    State.DEAD: ("it ended without success", "`retry`, `delete`, or `--dead` and `--max-dead`"),
}
#: What `state()` and `jqctl` say of a job that is in none.
_NO_STATE = {
    "succeeded": "it succeeded, and nothing else is known of it; that much is of the last 1,000 of a queue",
    "None": "it succeeded longer ago, was deleted, was dead and trimmed, or never was",
    "lost": "its record is there and it is in no state: damage from outside",
}


def lines() -> Iterator[str]:
    """Yield the page."""
    yield from [
        "## States of a job",
        "",
        "A job is in exactly one. Every arrow is in the [protocol](../protocol.md#states).",
    ]
    yield ""
    yield from table(("state", "meaning", "what ends it"), [(code(each.value), *_STATES[each]) for each in State])
    yield "And what `handle.state()` says of a job that is in none:"
    yield ""
    yield from table(("", "meaning"), [(code(word), meaning) for word, meaning in _NO_STATE.items()])
    for owner in ("daemon", "worker"):
        yield from [f"## States of a {owner}", ""]
        yield from table(("state", "meaning"), states_of(owner))
    yield from ["## Words", ""]
    for word, meaning in sorted(words(), key=lambda pair: pair[0].lower()):
        yield from [f"### {word}", "", f"{meaning}.", ""]


def words() -> Iterator[tuple[str, str]]:
    """Yield each line of the house's glossary: a word, or some that belong together, and what it is."""
    for word, meaning, *_ in _rows("Glossary"):
        if word != "word":
            yield word, _from_here(meaning)


def states_of(owner: str) -> list[tuple[str, str]]:
    """Return the states of a daemon or a worker, and what each means."""
    table_of_owner = _chapter("States").partition(f"| {owner} | |")[2].partition("\n\n")[0]
    found = re.findall(r"^\| (`\w+`) \| (.*?) \|$", table_of_owner, re.MULTILINE)
    return [(state, _from_here(meaning)) for state, meaning in found]


def _rows(title: str) -> Iterator[list[str]]:
    for line in _chapter(title).splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.split("|")[1:-1]]


def _chapter(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## )", _ARCHITECTURE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"docs/architecture.md has no chapter {title!r}")
    return found[1]


def _from_here(text: str) -> str:
    """Return a text of docs/architecture.md with links that lead from docs/reference."""
    text = re.sub(r"\]\(#", "](../architecture.md#", text)
    return re.sub(r"\]\((?=\w+\.md)", "](../", text)
