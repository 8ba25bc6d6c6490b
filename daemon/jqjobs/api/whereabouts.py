"""Where a producer's Redis is, and who we are there: looked up once, but for the password.

While a process lives its password may change: it is looked up anew for each later connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jqjobs.base import log
from jqjobs.base.config import working_directory
from jqjobs.embedded import is_embedded, socket_url
from jqjobs.store.address import Address, parse_url


class Whereabouts:
    """One per client. ``find_url``: reads the settings."""

    def __init__(self, find_url: Callable[[], str]) -> None:
        self._find_url = find_url
        self._found: Address | None = None
        self._just_read: Address | None = None

    @property
    def address(self) -> Address:
        """Where Redis is. Raises: ConfigError."""
        if self._found is None:
            self._just_read = self._read()
            if self._just_read.is_unverified:
                log.event("redis.unverified", level=log.WARNING, redis=str(self._just_read))
            self._found = replace(self._just_read, login=self._login)
        return self._found

    def _read(self) -> Address:
        url = self._find_url()
        return parse_url(socket_url(url, working_directory()) if is_embedded(url) else url)

    def _login(self) -> tuple[str, str]:
        just_read, self._just_read = self._just_read, None
        return (just_read or self._read()).credentials()
