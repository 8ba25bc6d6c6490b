"""One request while it is answered: what a page may use, and all that it may do to Redis.

Made by `dashboard`, used by the pages and the JSON API. Lives as long as the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from jqjobs.errors import StoreUnavailable
from jqjobs.store.call import Call
from jqjobs.store.reads.catalog import offer_in
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reads.queues import is_name
from jqjobs.store.reads.raw import RAW_PAGES, RawPage
from jqjobs.store.steps import Steps, run_steps
from jqjobs.store.store import Store
from jqjobs.web.access import Access, Right
from jqjobs.web.http import HTML, Request, Response, redirect, text_response
from jqjobs.web.redaction import Redaction, redacted

if TYPE_CHECKING:
    from jinja2 import Environment

    from jqjobs.operations.top import TopReport

T = TypeVar("T")


@dataclass(slots=True)
class Act:
    """Something that is done to Redis: noted when the request ends, with all that is known of it by then."""

    right: Right
    target: str
    facts: dict[str, Any] = field(default_factory=dict)


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
        """Return queues, daemons and what runs, as they were within the last second. Raises: StoreError."""
        return self.take_snapshot()

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
        entries = tuple(entry._replace(text=self.redaction.of_text(entry.text)) for entry in page.entries)
        return page._replace(entries=entries)

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
        """Say what is done next; the audit and the log tell of it when the request ends. Raises: NotAllowed."""
        self.access.require(right)
        made = Act(right, target, facts)
        self.acts.append(made)
        return made

    def redact(self, job: JobInfo) -> JobInfo:
        """Return a job without what nobody is to see; its catalog entry says what else that is."""
        offer = offer_in(self.store, job.queue, job.name) if is_name(job.name) else None
        return redacted(job, offer, self.redaction)
