"""What is said on a new connection before the first command: who we are, which database, what we are called.

Called by both connections (`wire`, `async_wire`). Behind sentinels it also asks whether this is a primary.
"""

from __future__ import annotations

import re
from typing import Any

from jqjobs.errors import ConfigError, StoreBusy, StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.error_replies import TOO_MANY_CLIENTS

Greeting = tuple[str | bytes | int | float, ...]

#: Tells the role of a server, among other things; ROLE would need a permission.
_WHO_ARE_YOU: Greeting = ("HELLO", 2)


def ask_login(address: Address) -> tuple[str, str]:
    """Return user and password as they are now. Raises: StoreUnavailable; who asks once a day can ask again."""
    try:
        return address.credentials()
    except ConfigError as error:
        raise StoreUnavailable(
            f"Redis at {address} cannot be asked: {error}", error.hint, reason="credentials"
        ) from error


def greetings_of(address: Address, username: str, password: str) -> list[Greeting]:
    """Return what must have been answered before the first command, see `check_greeted`."""
    greetings: list[Greeting] = []
    if password or username:  # a user may have none, and is not to be taken for the default one
        user = (username,) if username else ()
        greetings.append(("AUTH", *user, password))
    if address.db:
        greetings.append(("SELECT", address.db))
    if address.sentinels:
        greetings.append(_WHO_ARE_YOU)
    return greetings


def check_greeted(greeting: Greeting, answer: Any, *secrets: str) -> None:
    """Raise what speaks against going on. Who does not know AUTH repeats in its error what it was told."""
    if isinstance(answer, StoreError):
        if type(answer) is StoreError and any(secret and secret in answer.message for secret in secrets):
            raise StoreError("what answers there repeats the credentials instead of checking them")
        raise answer
    if greeting is _WHO_ARE_YOU and dict(zip(answer[::2], answer[1::2], strict=False)).get(b"role") != b"master":
        raise StoreBusy("the server that the sentinels name is no primary, or not yet", reason="READONLY")


def client_name(name: str) -> str:
    """Return a name as `CLIENT SETNAME` takes it: of printable ASCII, without spaces."""
    return re.sub("[^!-~]", "_", name) or "jqjobs"


def check_named(answer: Any) -> None:
    """Raise what speaks against the connection as a whole; that we may have no name there, or not now, does not."""
    is_only_the_name = type(answer) is StoreError or (isinstance(answer, StoreRefused) and "NOPERM" in str(answer))
    is_only_now = isinstance(answer, StoreBusy) and TOO_MANY_CLIENTS not in str(answer)
    if isinstance(answer, StoreError) and not (is_only_the_name or is_only_now):
        raise answer
