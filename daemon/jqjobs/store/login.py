"""Who we are to Redis, found out before each connection: passwords change while a process lives.

A user and password of the URL go first. Where it has no password the settings say it: JQ_REDIS_USERNAME, and
JQ_REDIS_PASSWORD or the file that JQ_REDIS_PASSWORD_FILE names; `.env` and that file are read each time. An app may
have its own `Credentials` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jqjobs.base.config import Environment
from jqjobs.errors import ConfigError
from jqjobs.store.address import Address, parse_url

#: Returns a password, or user and password; called before each connection.
Credentials = Callable[[], str | tuple[str, str]]

_ONE_OF_THEM = "JQ_REDIS_PASSWORD and JQ_REDIS_PASSWORD_FILE are both set"


def with_login(
    read: Callable[[Environment], Address], environment: Environment, credentials: Credentials | None = None
) -> Address:
    """Return the address that ``read`` finds in the settings, with a login that finds user and password anew.

    Raises: ConfigError when they cannot be found out even now; ``credentials`` are not asked yet.
    """
    address = read(environment)
    if credentials is not None:
        return replace(address, login=_OfApp(address.username, credentials), is_rotated=True)
    login = _OfSettings(address, read, environment)
    return replace(address, login=login, is_rotated=environment.get("redis_password_file") is not None)


def address_of(url: str, environment: Environment, credentials: Credentials | None = None) -> Address:
    """Return the address of a URL that stays as it is, with a login as `with_login` gives it. Raises: ConfigError."""
    return with_login(lambda _: parse_url(url), environment, credentials)


class _OfSettings:
    """What URL and settings say: as they were when this was made at the first call, as they are at each later one."""

    def __init__(self, address: Address, read: Callable[[Environment], Address], environment: Environment) -> None:
        self._address = address
        self._read = read
        self._environment = environment
        self._first: tuple[str, str] | None = _said(address, environment)

    def __call__(self) -> tuple[str, str]:
        first, self._first = self._first, None
        if first is not None:
            return first
        settings = self._environment.anew()
        address = self._read(settings)
        # What is said of another Redis is not for this one.
        return _said(address if str(address) == str(self._address) else self._address, settings)


def _said(address: Address, settings: Environment) -> tuple[str, str]:
    if address.password:
        return address.username, address.password
    return address.username or settings.get("redis_username") or "", _password(settings)


class _OfApp:
    """What an app's own function says."""

    def __init__(self, username: str, credentials: Credentials) -> None:
        self._username = username
        self._credentials = credentials

    def __call__(self) -> tuple[str, str]:
        try:
            said = self._credentials()
        except Exception as error:  # its words may hold a secret
            raise ConfigError(f"credentials= of the app raised {type(error).__name__}") from error
        both = (self._username, said) if isinstance(said, str) else said
        if not (isinstance(both, tuple) and len(both) == 2 and all(isinstance(word, str) for word in both)):
            raise ConfigError(
                f"credentials= of the app returned a {type(said).__name__}", hint="return (user, password)"
            )
        return both


def _password(settings: Environment) -> str:
    given, file = settings.get("redis_password"), settings.get("redis_password_file")
    if given and file:
        raise ConfigError(_ONE_OF_THEM, hint="take one of them out")
    return _content(settings.path(file)) if file else given or ""


def _content(file: Path) -> str:
    """Return the password in a file, less line ends around it and what Windows puts in front of UTF-8."""
    try:
        password = file.read_text("utf-8-sig").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        refusal = ConfigError(f"JQ_REDIS_PASSWORD_FILE {file} cannot be read: {why}")
    else:
        if password:
            return password
        refusal = ConfigError(f"JQ_REDIS_PASSWORD_FILE {file} is empty")
    raise refusal  # out here it has no context: that of a decoder quotes what it read
