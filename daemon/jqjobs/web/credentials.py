"""Who asks, where the dashboard stands alone: a file of names, hashes and rights, or a proxy in front that says it.

    ann:scrypt$16384$8$1$<salt>$<hash>:all        a person, by HTTP Basic
    keda:sha256$<hash>:view                       a program, by Authorization: Bearer

A line a name; `jqctl web passwd` makes them. The file is read again when it has changed.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import scrypt, sha256
from ipaddress import ip_network
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import NamedTuple

from jqjobs.base import log
from jqjobs.errors import ConfigError, TooManyGuesses
from jqjobs.web.access import ALL, Access, Right, rights_of
from jqjobs.web.guard import address_of
from jqjobs.web.guesses import Guesses
from jqjobs.web.http import Request

#: 16 MiB and some 50 ms a guess.
_N, _R, _P = 16384, 8, 1
_MOST_MEMORY = 64 * 1024 * 1024
_SALT_BYTES, _TOKEN_BYTES = 16, 32
_MOST_REMEMBERED = 256
#: Passwords that are looked at at the same time, and how long others wait for that.
_MOST_AT_ONCE, _PATIENCE_S = 4, 2.0
#: No name has a colon.
_NOBODY = ":"
#: What the socket of a proxy on this host is called, where networks are named.
UNIX = "unix"


class Entry(NamedTuple):
    """A line of the file."""

    name: str
    hashed: str
    rights: frozenset[Right]


def password_line(name: str, password: str, rights: str) -> str:
    """Return the line of a person. Raises: ConfigError."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _line(name, f"scrypt${_N}${_R}${_P}${_written(salt)}${_written(_scrypt(password, salt))}", rights)


def token_line(name: str, rights: str) -> tuple[str, str]:
    """Return a new token, and the line of the program that has it. Raises: ConfigError."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    return token, _line(name, f"sha256${sha256(token.encode()).hexdigest()}", rights)


def _line(name: str, hashed: str, rights: str) -> str:
    if not name or not name.isprintable() or ":" in name or name != name.strip():
        raise ConfigError(f"{name!r} cannot be a name here", hint="it may not be empty, or have a colon in it")
    rights_of(rights.split(","))
    return f"{name}:{hashed}:{rights}"


def _scrypt(password: str, salt: bytes, n: int = _N, r: int = _R, p: int = _P) -> bytes:
    return scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


def _written(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _read_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class AuthFile:
    """Checks passwords and tokens against a file. Raises: ConfigError when the file cannot be used."""

    challenge = 'Basic realm="jqjobs", charset="UTF-8"'

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._seen: tuple[int, int] | None = None
        self._entries: dict[str, Entry] = {}
        #: Passwords that were right: scrypt is slow, and a browser sends its password with each request.
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        #: What a name that there is not is checked against, so that it takes as long.
        self._guesses = Guesses()
        self._hashing = BoundedSemaphore(_MOST_AT_ONCE)
        self._nobody = password_line("nobody", secrets.token_urlsafe(), "view").split(":")[1]
        self._refresh()

    def __call__(self, request: Request) -> Access | None:
        """Return who asks, None when nobody that there is. Raises: TooManyGuesses."""
        self._refresh()
        kind, _, said = request.headers.get("authorization", "").partition(" ")
        if not said:
            return None
        name, secret = ("", said.strip()) if kind.lower() == "bearer" else _named(kind, said)
        entry = self._person(request.client, name, secret) if name else self._program(secret)
        if entry is None:
            self._guesses.note(request.client, name)
            log.event("web.denied", level=log.WARNING, client=request.client or None, path=request.path)
            return None
        return Access(entry.name, entry.rights)

    def rights(self, name: str) -> frozenset[Right] | None:
        """Return the rights of a name, None when there is no such name."""
        self._refresh()
        entry = self._entries.get(name)
        return None if entry is None else entry.rights

    def _program(self, token: str) -> Entry | None:
        """Return whose token that is: nobody guesses one, so it is always looked at."""
        hashed = f"sha256${sha256(token.encode('utf-8', 'replace')).hexdigest()}"
        found = [entry for entry in self._entries.values() if hmac.compare_digest(entry.hashed, hashed)]
        return found[0] if found else None

    def _person(self, client: str, name: str, password: str) -> Entry | None:
        """Return whose password that is. Whoever had it right before comes in, however much is guessed meanwhile."""
        entry = self._entries.get(name)
        if entry is not None and self._mark(entry.hashed, password) in self._right:
            return entry
        self._guesses.check(client, name)
        is_person = entry is not None and entry.hashed.startswith("scrypt$")
        is_right = self._compare(password, entry.hashed if entry is not None and is_person else self._nobody)
        if entry is None or not is_person or not is_right:
            return None
        if len(self._right) >= _MOST_REMEMBERED:
            self._right.clear()
        self._right[self._mark(entry.hashed, password)] = None
        return entry

    def _compare(self, password: str, hashed: str) -> bool:
        if not self._hashing.acquire(timeout=_PATIENCE_S):
            raise TooManyGuesses("too many passwords are looked at", hint="try again in a few seconds")
        try:
            return _is_right(password, hashed)
        finally:
            self._hashing.release()

    def _mark(self, hashed: str, password: str) -> bytes:
        return hmac.new(self._key, f"{hashed}\0{password}".encode(), "sha256").digest()

    def _refresh(self) -> None:
        """Read the file if it has changed; what was known of a file that is gone or broken holds no more."""
        try:
            found = self._path.stat()
            if self._seen == (seen := (found.st_mtime_ns, found.st_size)):
                return
            entries = [_entry(line) for line in self._path.read_text("utf-8").splitlines() if _says_something(line)]
        except (OSError, ValueError) as error:
            self._seen = None
            raise ConfigError(f"the file of names {self._path} cannot be used: {error}") from None
        with self._lock:
            self._entries = {entry.name: entry for entry in entries}
            self._seen = seen


def _named(kind: str, said: str) -> tuple[str, str]:
    """Return name and password of HTTP Basic; of what is none, a name that nobody has."""
    if kind.lower() != "basic":
        return _NOBODY, ""
    try:
        name, _, password = b64decode(said, validate=True).decode().partition(":")
    except (NotBase64, ValueError):
        return _NOBODY, ""
    return name or _NOBODY, password


def _is_right(password: str, hashed: str) -> bool:
    _, n, r, p, salt, wanted = hashed.split("$")
    return hmac.compare_digest(_scrypt(password, _read_bytes(salt), int(n), int(r), int(p)), _read_bytes(wanted))


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _entry(line: str) -> Entry:
    """Return what a line says. Raises: ValueError, ConfigError."""
    parts = line.strip().split(":")
    if len(parts) != 3 or parts[1].partition("$")[0] not in ("scrypt", "sha256"):
        raise ValueError(f"a line is not name:hash:rights, as `jqctl web passwd` makes it: {parts[0]!r} …")
    if parts[1].startswith("scrypt$") and len(parts[1].split("$")) != 6:
        raise ValueError(f"the hash of {parts[0]!r} is cut short")
    return Entry(parts[0], parts[1], rights_of(parts[2].split(",")))


class TrustedHeader:
    """Takes the word of a proxy in front for who asks: a header, from these networks (``unix``: a socket) alone.

    ``file``: rights by name; who is not in it is nobody. None: all rights for everybody whom the proxy lets in.
    Raises: ConfigError.
    """

    def __init__(self, header: str, sources: Sequence[str], file: AuthFile | None = None) -> None:
        self._header = header.lower()
        self._is_unix = UNIX in sources
        self._file = file
        if file is not None:
            self.challenge = AuthFile.challenge
        try:
            self._networks = [ip_network(source, strict=False) for source in sources if source != UNIX]
        except ValueError as error:
            raise ConfigError(f"--trust-from: {error}", hint="write a network such as 10.0.0.0/8, or unix") from None

    def __call__(self, request: Request) -> Access | None:
        """Return whom the proxy names; without its word, who can show it otherwise."""
        name = request.headers.get(self._header, "").strip()
        if name and self._comes_from_proxy(request.client):
            rights = ALL if self._file is None else self._file.rights(name)
            return None if rights is None else Access(name, rights)
        return None if self._file is None else self._file(request)

    def _comes_from_proxy(self, client: str) -> bool:
        if client == UNIX:
            return self._is_unix
        address = address_of(client)
        return address is not None and any(address in network for network in self._networks)
