"""The dashboard: a request in, a response out. Framework-neutral; `wsgi` and `asgi` mount it in an app.

Owns the order in which a request is judged, and that nothing a request can do ends in a traceback:

    host ─▶ assets ─▶ who asks ─▶ is it from here ─▶ which route ─▶ may they ─▶ handler ─▶ note what was done

It imports no job code: all it knows of jobs is what workers publish in the catalog.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from jqjobs.api.client import Client
from jqjobs.base import log
from jqjobs.errors import ConfigError, JqError, Misdirected, NotAllowed, NotFound, Unauthenticated
from jqjobs.operations.status import read_status
from jqjobs.operations.top import TopReport, read_top
from jqjobs.store.store import Store
from jqjobs.web import adapters
from jqjobs.web.access import VIEW, Access, Auth
from jqjobs.web.assets import asset_response, assets
from jqjobs.web.guard import HEADERS, host_name, is_loopback, is_our_own
from jqjobs.web.http import Request, Response, text_response
from jqjobs.web.outage import Outage
from jqjobs.web.outcomes import asks_for_json, error_object, error_words, status_of
from jqjobs.web.placing import Placing
from jqjobs.web.redaction import Redaction, Redactor
from jqjobs.web.routes import Found
from jqjobs.web.snapshot import Shared
from jqjobs.web.table import ROUTES
from jqjobs.web.visit import Visit

if TYPE_CHECKING:
    from jinja2 import Environment

    from jqjobs.api.app import App

_STATIC, _ALIVE = "/static/", "/healthz"
#: Characters of a path that is told.
_MOST_SHOWN = 200
#: So many of the latest deaths are in the shared snapshot.
_MOST_DEAD = 5
_NOBODY = Access("", frozenset())


class Dashboard:
    """Answers requests about the queues of one Redis.

    ``queues``: an app, or a Redis URL; None: as JQ_REDIS_URL says. ``auth``: says who asks, and what they may; None
    from it is refused. ``read_only``: nobody may do more than look. ``redact``: patterns of names whose values nobody
    sees, beside the usual ones, or a function (name, value) → what is shown. ``origins``: where browsers see it, such
    as ``https://ops.example.org``, when a proxy in front changes host or scheme. ``hosts``: Host headers are taken
    only if they are in here, or of the loopback; None: any. ``prefix``: a part of the path that a proxy in front takes
    away. ``trust_prefix``: that proxy says it, as X-Forwarded-Prefix. ``mount``: a part of the path that arrives.
    Raises: ConfigError, also when nobody says who may come in.
    """

    def __init__(
        self, queues: App | str | None = None, *, auth: Auth | None = None, read_only: bool = False,
        redact: Iterable[str] | Redactor = (), title: str = "jqjobs", origins: Collection[str] = (),
        hosts: Collection[str] | None = None, prefix: str = "", trust_prefix: bool = False, mount: str = "",
    ) -> None:  # fmt: skip
        if auth is None:
            raise ConfigError(
                "nobody says who may use the dashboard",
                hint="give auth=, a function of the request, or auth=everybody where something else stands before it",
            )
        environment = _templates()
        self._client = Client(queues) if queues is None or isinstance(queues, str) else queues.client
        self._auth, self._read_only = auth, read_only
        self._redaction = Redaction(ask=redact) if callable(redact) else Redaction(redact)
        self._title, self._origins, self._hosts = title, tuple(origins), hosts
        self._placing = Placing(mount, prefix, trust_header=trust_prefix)
        self._key = secrets.token_bytes(32)
        self._snapshot = Shared(self._look)
        self._outage = Outage()
        self._templates = environment(static={name: asset.served_as for name, asset in assets().items()})
        self.wsgi = adapters.wsgi(self.handle)
        self.asgi = adapters.asgi(self.handle, self._is_quick)

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        try:
            request = self._placing.of(request)
            response = self._answer(request)
        except Exception:
            log.event("web.error", level=log.CRITICAL, path=request.path, exc_info=True)
            response = self._refuse(request, JqError("a defect of the dashboard", hint="its log says more"), 500)
        missing = HEADERS.keys() - {name for name, _ in response.headers}
        return Response(response.status, (*response.headers, *((name, HEADERS[name]) for name in sorted(missing))),
                        response.body)  # fmt: skip

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _is_quick(self, request: Request) -> bool:
        """Whether a request waits for nobody: for a file, or whether this process is alive."""
        return self._placing.of(request).path.startswith((_STATIC, _ALIVE))

    def _answer(self, request: Request) -> Response:
        try:
            if not request.path:
                raise NotFound(
                    f"the dashboard is at {self._placing.mount}/",
                    hint="what a proxy takes away is said by --stripped (prefix=), not by --mount (mount=)",
                )
            if request.path == _ALIVE:
                return text_response(200, "alive\n")
            self._check_host(request)
            if request.path.startswith(_STATIC):
                return self._asset(request)
            access = self._access(request)
            if not is_our_own(request, self._origins):
                raise NotAllowed(
                    "this request comes from another site",
                    hint="go to the page itself and try again; "
                    "behind a proxy that changes the host, --origin (origins=) must say where it is",
                )
            return self._routed(request, access)
        except JqError as error:
            return self._refuse(request, error, status_of(error))

    def _check_host(self, request: Request) -> None:
        name = host_name(request.host)
        if self._hosts is not None and not (is_loopback(name) or name in self._hosts):
            raise Misdirected(f"nobody is called {name!r} here", hint="open it as localhost, or start it with --host")

    def _asset(self, request: Request) -> Response:
        found = asset_response(request.path.removeprefix(_STATIC))
        if found is None or request.method not in ("GET", "HEAD"):
            raise NotFound("there is no such file", hint="it may be of another version: load the page anew")
        return found

    def _access(self, request: Request) -> Access:
        try:
            access = self._auth(request)
        except ConfigError as error:
            log.event("web.unchecked", level=log.CRITICAL, error=str(error))
            raise NotAllowed(
                "nobody can be let in now", hint="the log says what is wrong with the file of users"
            ) from None
        if access is None:
            challenge = getattr(self._auth, "challenge", "")
            raise (
                Unauthenticated("who are you?", challenge=challenge)
                if challenge
                else NotAllowed("you may not see this")
            )
        return Access(access.user, access.rights & VIEW) if self._read_only else access

    def _routed(self, request: Request, access: Access) -> Response:
        found = ROUTES.find(request.method, request.path)
        if found.route is None:
            return self._lost(request, found)
        access.require(found.route.right)
        with self._outage.watched(), self._client.store() as store:
            visit = self._visit(request, access, found.params, store)
            try:
                response = found.route.handler(visit)
            except BaseException as error:
                visit.end_acts(error.code if isinstance(error, JqError) else "defect")
                raise
            visit.end_acts(None)
        return response

    def _lost(self, request: Request, found: Found) -> Response:
        if found.allowed:
            methods = ", ".join(found.allowed)
            error = NotAllowed(f"{request.method} is not for {request.path}", hint=f"it takes {methods}")
            refused = self._refuse(request, error, 405)
            return Response(refused.status, (*refused.headers, ("Allow", methods)), refused.body)
        raise NotFound(f"there is no page {request.path[:_MOST_SHOWN]}", hint="the overview leads to all there are")

    def _visit(self, request: Request, access: Access, params: Mapping[str, str], store: Store | None) -> Visit:
        """Return a visit; without a store there is only a page of error to show."""
        return Visit(
            request, access, params, store, self._title, self._templates, self._redaction, self._seal,
            self._snapshot.get,
        )  # fmt: skip

    def _refuse(self, request: Request, error: JqError, status: int) -> Response:
        headers = [("WWW-Authenticate", error.challenge)] if isinstance(error, Unauthenticated) else []
        if status in (429, 503):
            headers.append(("Retry-After", "5"))
        if asks_for_json(request):
            return error_object(status, error, *headers)
        visit = self._visit(request, _NOBODY, {}, None)
        page = visit.page("error.html", status=status, **error_words(status, error))
        return Response(page.status, (*page.headers, *headers), page.body)

    def _look(self, before: TopReport | None) -> TopReport:
        with self._client.store() as store:
            return read_top(store, read_status(store, before=before.status if before else None), _MOST_DEAD, before)

    def _seal(self, words: str) -> str:
        """Return what shows that words on a page are our own, not those of a link that somebody made up."""
        return hmac.new(self._key, words.encode("utf-8", "backslashreplace"), "sha256").hexdigest()[:16]


def _templates() -> Callable[..., Environment]:
    """Return what makes the templates. Raises: ConfigError without the extra."""
    try:
        from jqjobs.web.rendering import environment
    except ModuleNotFoundError as error:
        raise ConfigError(f"the dashboard needs {error.name}", hint="pip install 'jqjobs[web]'") from None
    return environment
