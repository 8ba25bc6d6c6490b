"""Reads a Redis URL into an address.

Forms: ``redis://[user:password@]host[:port][/db]``, ``rediss://…`` (TLS), ``unix://[user:password@]/path[?db=0]``,
``redis+sentinel://[user:password@]sentinel[:port],…/service[/db]``, ``redis+cluster://[user:password@]node[:port],…``,
both with ``rediss`` too. With ``valkey`` and ``valkeys`` in place of ``redis`` and ``rediss`` they mean the same.
``?prefix=`` says what all keys begin with.
A password may hold any character, percent-encoded. One that is not is refused, never guessed at: what a parser makes
of it is another host, and its complaints quote the secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from jqjobs.base.nearest import did_you_mean
from jqjobs.base.prefix import DEFAULT_PREFIX, PREFIX_HINT, is_prefix
from jqjobs.errors import ConfigError
from jqjobs.store.clusters import OF_NO_QUEUE, Cluster, cluster_of
from jqjobs.store.sentinels import OPTIONS as SENTINEL_OPTIONS
from jqjobs.store.sentinels import Place, Sentinels, place_text, sentinels_of
from jqjobs.store.tls import OPTIONS as TLS_OPTIONS
from jqjobs.store.tls import Tls, tls_of

#: sun_path of unix(7), less its final NUL.
_SOCKET_PATH_BYTES = 107
#: What urllib drops without a word, so that a password would be another one.
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
#: What neither a name nor an address has.
_NO_HOST = re.compile(r"[^\w.:%-]")
_SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel", "valkey+sentinel", "valkeys+sentinel")
_CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster")
_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix", *_SENTINEL_SCHEMES, *_CLUSTER_SCHEMES)
_TLS_SCHEMES = tuple(scheme for scheme in _SCHEMES if scheme.partition("+")[0] in ("rediss", "valkeys"))
_OPTIONS = TLS_OPTIONS | SENTINEL_OPTIONS | {"db", "prefix"}
_HINT = (
    "write redis://host:6379/0, rediss://host:6380/0, unix:///path/to.sock?db=0,"
    " redis+sentinel://s1:26379,s2,s3/mymaster/0, redis+cluster://n1:6379,n2,n3 or embedded:"
)
_ENCODE = "percent-encode the password: # is %23, / is %2F, ? is %3F, @ is %40, % is %25"


#: Returns user and password, "" for none; asked before each connection, see `store.login`. Raises: ConfigError.
Login = Callable[[], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is, and who we are there, which neither ``str()`` nor ``repr()`` of it shows.

    ``prefix``: all keys and channels begin with it, so apps with different ones never meet.
    ``login``: tells who we are, in place of ``username`` and ``password``, where that may change. ``is_rotated``:
    somebody changes it while we live, so what is refused now may be right in a moment. ``sentinels``: they know where
    Redis is, in place of ``host`` and ``port``, see `store.primary`. ``cluster``: of nodes that have a part of the
    queues each; a single connection leads to the one that has the queue ``tag``, see `store.slot_map`. ``named_by``:
    who says that it is there, "sentinels" or "nodes" of its cluster; "": the URL does.
    """

    host: str = ""
    port: int = 6379
    path: str = ""
    db: int = 0
    prefix: str = DEFAULT_PREFIX
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: Tls | None = None
    sentinels: Sentinels | None = None
    cluster: Cluster | None = None
    tag: str = OF_NO_QUEUE
    named_by: str = ""
    login: Login | None = field(default=None, repr=False, compare=False)
    is_rotated: bool = field(default=False, repr=False, compare=False)

    @property
    def is_unverified(self) -> bool:
        """Whether anybody could be there: TLS without a check of the certificate."""
        return self.tls is not None and self.tls.is_unverified

    def credentials(self) -> tuple[str, str]:
        """Return user and password as they are now; "" for none."""
        return self.login() if self.login else (self.username, self.password)

    def key(self, name: str) -> str:
        """Return a key or a channel as this Redis knows it, from its name in `jqjobs.store.keys`."""
        return f"{self.prefix}:{name}"

    def at(self, queue: str) -> Address:
        """Return where this queue is: of a cluster the node that has it; any other Redis has all."""
        return replace(self, tag=queue) if self.cluster else self

    def node(self, place: Place) -> Address:
        """Return the address of one server of a cluster, or of those that sentinels watch."""
        host, port = place
        named_by = (
            "sentinels" if self.sentinels else "nodes" if self.cluster and place not in self.cluster.seeds else ""
        )
        return replace(self, host=host, port=port, sentinels=None, cluster=None, named_by=named_by)

    @property
    def _scheme(self) -> str:
        return "rediss" if self.tls else "redis"

    def __str__(self) -> str:
        options = [f"prefix={self.prefix}"] if self.prefix != DEFAULT_PREFIX else []
        if self.path:
            options = [f"db={self.db}", *options] if self.db else options
            place = f"unix://{self.path}"
        elif self.sentinels:
            place = f"{self._scheme}+sentinel://{self.sentinels}/{self.sentinels.service}/{self.db}"
        elif self.cluster:
            place = f"{self._scheme}+cluster://{self.cluster}"
        else:
            place = f"{self._scheme}://{place_text((self.host, self.port))}/{self.db}"
        return f"{place}?{'&'.join(options)}" if options else place


class _Malformed(Exception):
    """A URL has another form. Says why without a word out of it: any of them may belong to a password."""

    def __init__(self, why: str, hint: str = _HINT) -> None:
        super().__init__(why)
        self.hint = hint


def parse_url(url: str) -> Address:
    """Return the address of a Redis URL. Raises: ConfigError when it has another form; it repeats no part of it."""
    try:
        return _address(url.strip())
    except _Malformed as error:
        refusal = ConfigError(f"the Redis URL {error}", hint=error.hint)
    except ValueError:  # of urllib and its kin, which quote what they cannot read
        refusal = ConfigError("the Redis URL does not parse", hint=_hint_of(url))
    raise refusal  # out here it has no context that a log could follow to the secret


def _hint_of(url: str) -> str:
    return f"{_ENCODE}; {_HINT}" if "@" in url else _HINT


def _address(url: str) -> Address:
    if url[:1] in ("'", '"'):
        raise _Malformed("has quotes around it", hint="leave them out: an env file of docker keeps them")
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _SCHEMES:
        raise _Malformed(f"has another scheme than {', '.join(f'{known}://' for known in _SCHEMES)}")
    _check_unambiguous(scheme.lower(), rest)
    parts = urlsplit(url)
    options = _options(parts)
    user, password = _decoded(parts.username), _decoded(parts.password)
    if parts.scheme in _SENTINEL_SCHEMES:
        return _sentinel_address(parts, options, user, password)
    if parts.scheme in _CLUSTER_SCHEMES:
        return _cluster_address(parts, options, user, password)
    return (_socket_address if parts.scheme == "unix" else _host_address)(parts, options, user, password)


def _check_unambiguous(scheme: str, rest: str) -> None:
    """Refuse what ends the part of a URL that holds the password, where only a raw password can have it."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if scheme == "unix":  # its path may have an @, as the instances of systemd do; in front of it are credentials only
        is_torn = authority != "" and not authority.endswith("@")
    else:
        is_torn = "@" in rest[len(authority) :]
    if is_torn or "#" in rest or authority.count("@") > 1 or _UNPRINTABLE.search(rest):
        raise _Malformed("has a raw #, /, ?, @ or space where there can be none", hint=f"{_ENCODE}; {_HINT}")


def _options(parts: SplitResult) -> dict[str, str]:
    query = parts.query.replace("+", "%2B")  # which else would be a space, in a password too
    said = parse_qs(query, keep_blank_values=True, errors="strict")
    if unknown := sorted(said.keys() - _OPTIONS):
        raise _Malformed(f"has an unknown option; there are {', '.join(sorted(_OPTIONS))}", _option_hint(unknown[0]))
    if any(len(values) > 1 for values in said.values()):
        raise _Malformed("says an option twice", hint="nobody knows which is meant; keep one")
    found = {name: values[0] for name, values in said.items()}
    if found.keys() & TLS_OPTIONS and parts.scheme not in _TLS_SCHEMES:
        raise _Malformed("has options of TLS, and is without", hint="write rediss:// or valkeys://")
    if found.keys() & SENTINEL_OPTIONS and parts.scheme not in _SENTINEL_SCHEMES:
        raise _Malformed(
            "has options of sentinels, and names none", hint="write redis+sentinel:// or rediss+sentinel://"
        )
    return found


def _option_hint(name: str) -> str:
    if "timeout" in name:
        return "how long a call may take is a setting of its own, JQ_TIMEOUT"
    return did_you_mean(name, _OPTIONS) or _HINT  # which repeats what we know, not what stands there


def _socket_address(parts: SplitResult, options: dict[str, str], user: str, password: str) -> Address:
    path = _decoded(parts.path)
    if not path:
        raise _Malformed("names no socket path")
    if len(path.encode()) > _SOCKET_PATH_BYTES:
        raise _Malformed(f"names a socket path of more than {_SOCKET_PATH_BYTES} bytes")
    return Address(
        path=path, db=_database(options.get("db")), prefix=_prefix(options), username=user, password=password
    )  # fmt: skip


def _host_address(parts: SplitResult, options: dict[str, str], user: str, password: str) -> Address:
    return Address(
        host=_host(parts), port=_port(parts), db=_database(options.get("db") or parts.path.strip("/")),
        prefix=_prefix(options), tls=tls_of(options) if parts.scheme in _TLS_SCHEMES else None,
        username=user, password=password,
    )  # fmt: skip


def _sentinel_address(parts: SplitResult, options: dict[str, str], user: str, password: str) -> Address:
    service, _, db = parts.path.strip("/").partition("/")
    tls = tls_of(options) if parts.scheme in _TLS_SCHEMES else None
    return Address(
        sentinels=sentinels_of(parts.netloc.rpartition("@")[2], service, options, tls), tls=tls,
        db=_database(options.get("db") or db), prefix=_prefix(options), username=user, password=password,
    )  # fmt: skip


def _cluster_address(parts: SplitResult, options: dict[str, str], user: str, password: str) -> Address:
    if _database(options.get("db") or parts.path.strip("/")):
        raise _Malformed("names a database of a cluster, which has one", hint="leave it out")
    return Address(
        cluster=cluster_of(parts.netloc.rpartition("@")[2]), prefix=_prefix(options),
        tls=tls_of(options) if parts.scheme in _TLS_SCHEMES else None,
        username=user, password=password,
    )  # fmt: skip


def _host(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    if place.count(":") > 1 and "[" not in place:
        raise _Malformed("has several colons in its host", hint="an IPv6 address is in brackets: redis://[::1]:6379/0")
    host = parts.hostname or "127.0.0.1"
    if "$" in host:
        raise _Malformed("names a variable where its host is", hint=f"nobody has filled it in; {_HINT}")
    if "," in host:
        raise _Malformed("names several hosts", hint="write redis+sentinel:// or redis+cluster:// before them")
    if _NO_HOST.search(host):
        raise _Malformed("names a host that can be none", hint=f"options come after a ?; {_HINT}")
    host.encode("idna")  # what a resolver would refuse much later, with a UnicodeError
    return host


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _Malformed("has a port that is no number from 1 to 65535")
    return 6379 if port is None else port


def _database(text: str | None) -> int:
    if text and not (text.isascii() and text.isdecimal()):
        raise _Malformed("has a database that is no number")
    return int(text or 0)


def _prefix(options: dict[str, str]) -> str:
    prefix = options.get("prefix", DEFAULT_PREFIX)
    if not is_prefix(prefix):
        raise _Malformed("has a prefix that is none", hint=PREFIX_HINT)
    return prefix


def _decoded(text: str | None) -> str:
    return unquote(text or "", errors="strict")
