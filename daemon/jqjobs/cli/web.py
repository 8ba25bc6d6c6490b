"""`jqctl web`: the dashboard, until INT or TERM; `jqctl web passwd`: who may come in."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jqjobs.base import log
from jqjobs.base.config import Environment
from jqjobs.cli.interrupts import until_told
from jqjobs.cli.output import complain, write_text
from jqjobs.cli.session import FOR_PEOPLE, Session, speaks_to_redis
from jqjobs.errors import ConfigError

if TYPE_CHECKING:
    from jqjobs.web.server import Settings

_LISTEN = "127.0.0.1:8390"


@click.group("web", invoke_without_command=True)
@click.option("--listen", default=_LISTEN, show_default=True, metavar="ADDR", help="HOST:PORT, :PORT or unix:/path.")
@click.option("--mount", default="", metavar="/PATH", help="What stands before its paths, as they arrive.")
@click.option("--stripped", default="", metavar="/PATH", help="What a proxy in front takes away before they arrive.")
@click.option("--read-only", is_flag=True, help="Nobody may do more than look.")
@click.option(
    "--auth-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Who may come in, and do what: lines that `jqctl web passwd` makes.",
)  # fmt: skip
@click.option("--trust-header", default="", metavar="NAME", help="A proxy in front says in this header who asks.")
@click.option("--trust-from", multiple=True, metavar="NET", help="That proxy: 10.0.0.0/8, or unix. May be repeated.")
@click.option("--trust-prefix", is_flag=True, help="It says in X-Forwarded-Prefix which part of the path it took away.")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="Where browsers see it, behind a proxy.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="On the loopback: a further name it may have.")
@click.option("--redact", multiple=True, metavar="PATTERN", help="Hide values under such names too: '*card*'.")
@click.option("--title", default="jqjobs", metavar="TEXT", help="What pages are called.")
@speaks_to_redis
@click.pass_context
def web(context: click.Context, /, **given: Any) -> None:
    """Serve the dashboard, the JSON API and /metrics, until INT or TERM.

    It listens beyond this host only where somebody says who asks: --auth-file, or a proxy with --trust-header.

    \b
    Examples:
      jqctl web
      jqctl web passwd ann --rights all >> /etc/jqjobs/web.users
      jqctl web --listen :8390 --auth-file /etc/jqjobs/web.users --origin https://ops.example.org
      jqctl web --listen unix:/run/jqjobs/web.sock --trust-header X-Forwarded-User --trust-from unix
    """
    session = context.ensure_object(Session)
    session.answers_in(*FOR_PEOPLE)
    if context.invoked_subcommand is None:
        _serve(session, given)


def _serve(session: Session, given: dict[str, Any]) -> None:
    from jqjobs.base.listening import name_of, remove_path
    from jqjobs.web.server import Settings, open_listener, serve

    settings = Settings(Environment().redis_url(session.redis_flag, session.prefix), **given)
    log.configure("jqctl", form=Environment().get("log_format") or "text")
    dashboard = settings.dashboard()
    listener = open_listener(settings)
    name = name_of(listener)
    try:
        with until_told():
            complain(f"jqctl: the dashboard is at {_shown(settings, name)}")
            serve(dashboard, listener)
    finally:
        remove_path(name)  # whoever ended it: uvicorn closes the socket, and leaves its path


def _shown(settings: Settings, name: str) -> str:
    """Return where the dashboard is, as a browser takes it."""
    if name.startswith("unix:"):
        return name
    host, _, port = name.rpartition(":")
    is_any = ipaddress.ip_address(host.strip("[]")).is_unspecified
    return f"http://{'127.0.0.1' if is_any else host}:{port}{settings.mount.rstrip('/')}/"


@web.command("passwd")
@click.argument("name")
@click.option("--rights", default="all", show_default=True, metavar="A,B", help="view, all, or single rights.")
@click.option("--token", is_flag=True, help="For a program: make a token, shown on stderr once, instead of a password.")
def passwd(name: str, rights: str, token: bool) -> None:
    """Print a line for --auth-file: a person with a password, or a program with a token.

    Rights: read, retry, cancel, delete, enqueue, pause, schedule, daemon, resolve. The password is asked for, or read
    from stdin where that is no terminal.

    \b
    Examples:
      jqctl web passwd ann >> web.users
      jqctl web passwd keda --token --rights view >> web.users
    """
    from jqjobs.web.credentials import password_line, token_line

    if token:
        made, line = token_line(name, rights)
        complain(f"token: {made}")
        write_text(line)
        return
    try:
        line = password_line(name, _password(), rights)
    except UnicodeError:
        raise ConfigError("the password is not UTF-8") from None
    write_text(line)


def _password() -> str:
    """Raises: ConfigError, UnicodeError, Abort."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("the password is empty")
    return password
