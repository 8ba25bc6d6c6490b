"""One request while it is answered: what a page may use, and all that it may do to Redis.

Made by `dashboard`, used by the pages and the JSON API. Lives as long as the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.records import is_name
from jqjobs.store.call import Call
from jqjobs.store.reads.catalog import Offer, offer_in, offers_of
from jqjobs.store.reads.raw import RAW_PAGES, RawEntry, RawPage
from jqjobs.store.reply_values import json_or_none, string
from jqjobs.store.steps import Steps, run_steps
from jqjobs.store.store import Store
from jqjobs.web import noting
from jqjobs.web.access import Access, Right
from jqjobs.web.http import HTML, Request, Response, redirect, text_response
from jqjobs.web.judgement import Judge, judge_of, without_secrets
from jqjobs.web.noting import Act
from jqjobs.web.redaction import Redaction

if TYPE_CHECKING:
    from jinja2 import Environment

    from jqjobs.operations.top import TopReport

T = TypeVar("T")


@dataclass(slots=True)
class Visit:
    """A request, who makes it, and the tools to answer. ``params``: the parts of the path that the route names."""

    request: Request
    access: Access
    params: Mapping[str, str]
    connection: Store | None
    title: str
    templates: Environment
    redaction: Redaction
    seal: Callable[[str], str]
    take_snapshot: Callable[[], TopReport]
    acts: list[Act] = field(default_factory=list)
    posted: Mapping[str, Sequence[str]] | None = None
    judges: dict[tuple[str, str], Judge] = field(default_factory=dict)
    taken: TopReport | None = None

    @property
    def store(self) -> Store:
        """The connection that this request has to itself."""
        if self.connection is None:
            raise StoreUnavailable("this page asks Redis nothing")
        return self.connection

    def run(self, work: Call[T] | Steps[T]) -> T:
        """Run a call, or steps, and return the answer. Raises: StoreError and its kinds, and what the steps raise."""
        return self.store.run(work) if isinstance(work, Call) else run_steps(self.store.run, work)

    def snapshot(self) -> TopReport:
        """Return queues, daemons and what runs, as they were a moment ago; the same all through. Raises: StoreError."""
        self.taken = self.taken or self.take_snapshot()
        return self.taken

    def url(self, path: str, /, **query: str | int | None) -> str:
        """Return a link to a path of the dashboard, wherever it is mounted. None is left out of the query."""
        given = {name: value for name, value in query.items() if value is not None}
        begin = "&" if "?" in path else "?"
        return f"{self.request.prefix}{path}" + (f"{begin}{urlencode(given)}" if given else "")

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page: 304 while it is what the browser has. Templates have ``visit``, ``said`` and the values."""
        text = self.templates.get_template(template).render(visit=self, said=self.said, **values)
        etag = f'"{sha256(text.encode()).hexdigest()[:24]}"'
        if status == 200 and self.request.headers.get("if-none-match") == etag:
            return Response(304, (("ETag", etag),))
        return text_response(status, text, HTML, ("ETag", etag))

    def raw_page(self, state: str, queue: str, offset: int, limit: int) -> RawPage:
        """Return envelopes of a list in `RAW_PAGES`, without what nobody is to see."""
        page = RAW_PAGES[state](self.store, queue, offset, limit)
        return page._replace(entries=tuple(self._seen(queue, entry) for entry in page.entries))

    def _seen(self, queue: str, entry: RawEntry) -> RawEntry:
        found = json_or_none(entry.text)
        name = string(found.get("job")) if isinstance(found, dict) else None
        return entry._replace(text=self.judge(queue, name or "").text(entry.text))

    def done(self, path: str, said: str = "", **query: str | int | None) -> Response:
        """Send the browser to a page after an act; ``said`` is shown there once."""
        words = {"said": said, "seal": self.seal(said)} if said else {}
        return redirect(self.url(path, **query, **words))

    @property
    def said(self) -> str:
        """What the act before has come to; "" when that is nothing, or somebody else's words."""
        words = self.request.asked("said")
        return words if words and self.request.asked("seal") == self.seal(words) else ""

    def act(self, right: Right, target: str, **facts: Any) -> Act:
        """Note what is done next; the log tells of it afterwards. Raises: NotAllowed, StoreError and its kinds."""
        self.access.require(right)
        made = noting.begin(self.store, self.access.user, right, target, facts)
        self.acts.append(made)
        return made

    def end_acts(self, error: str | None) -> None:
        """Write down what became of what was begun. ``error``: its code; None: it is done."""
        while self.acts:
            noting.end(self.store, self.acts.pop(0), error)

    def form(self) -> Mapping[str, Sequence[str]]:
        """Return what a form has posted, see `Request.form`: read once, whoever asks."""
        if self.posted is None:
            self.posted = self.request.form()
        return self.posted

    def judge(self, queue: str, name: str) -> Judge:
        """Return who says what may be seen of jobs of a name: what workers of that queue have published, or others."""
        if (queue, name) not in self.judges:
            here = offer_in(self.store, queue, name) if is_name(name) else None
            offers = [here] if here else offers_of(self.store, name) if is_name(name) else []
            self.judges[queue, name] = judge_of(offers, self.redaction)
        return self.judges[queue, name]

    def seen(self, offer: Offer) -> Offer:
        """Return a job that workers offer, without what nobody is to see."""
        return without_secrets(offer, self.redaction)
