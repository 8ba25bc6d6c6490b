"""The dashboard as a part of the project's site: who may do what is said by permissions of the admin.

``path("jobs/", include(jqjobs.django.dashboard_urls))``. Needs the extra ``jqjobs[web]``.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, re_path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from jqjobs.django.project import project_app
from jqjobs.web import Access, Dashboard, Request, Right
from jqjobs.web.adapters import TOO_LARGE
from jqjobs.web.http import MOST_BODY

#: The label of our app, under which the permissions are.
LABEL = "jqjobs"
#: Who asks.
_user: ContextVar[Any] = ContextVar("jqjobs_user")


@csrf_exempt  # the dashboard looks itself where a request comes from
@never_cache
def dashboard(request: HttpRequest, path: str) -> HttpResponse:
    """Answer for the dashboard; whoever is not logged in may do that first."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    body = request.read(MOST_BODY + 1)
    if len(body) > MOST_BODY:
        return _sent(TOO_LARGE)
    logged_in = _user.set(request.user)
    try:
        return _sent(_dashboard().handle(_asked(request, path, body)))
    finally:
        _user.reset(logged_in)


#: To be included in the URLs of a project.
dashboard_urls: tuple[list[Any], str] = ([re_path(r"^(?P<path>.*)$", dashboard, name="dashboard")], LABEL)


@cache
def _dashboard() -> Dashboard:
    return Dashboard(project_app(), auth=_access)


def rights_of(user: Any) -> frozenset[Right]:
    """Return what a user may do; none who may not look."""
    held = frozenset(right for right in Right if user.is_active and user.has_perm(f"{LABEL}.{right.value}"))
    return held if Right.READ in held else frozenset()


def link_for(user: Any) -> str:
    """Return where the dashboard is, "" where it is not mounted or the user may not look."""
    try:
        return str(reverse(f"{LABEL}:dashboard", kwargs={"path": ""})) if rights_of(user) else ""
    except NoReverseMatch:
        return ""


def _asked(request: HttpRequest, path: str, body: bytes) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(
        request.method or "GET", f"/{path}", dict(request.GET.lists()), headers, body,
        request.path.removesuffix(path).rstrip("/"), request.scheme or "http", request.get_host(),
        request.META.get("REMOTE_ADDR", ""),
    )  # fmt: skip


def _access(request: Request) -> Access | None:
    user = _user.get()
    rights = rights_of(user)
    return Access(user.get_username(), rights) if rights else None


def _sent(response: Any) -> HttpResponse:
    sent = HttpResponse(response.body, status=response.status)
    del sent.headers["Content-Type"]
    for name, value in response.headers:
        sent.headers[name] = value
    return sent
