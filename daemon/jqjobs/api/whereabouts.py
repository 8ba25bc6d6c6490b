"""Where a producer's Redis is, and who we are there: looked up once, but for user and password (see `store.login`)."""

from __future__ import annotations

from jqjobs.base import log
from jqjobs.base.config import DEFAULT_TIMEOUT_S, Environment
from jqjobs.embedded import is_embedded, socket_url
from jqjobs.store.address import Address, parse_url
from jqjobs.store.login import Credentials, with_login
from jqjobs.store.replication import Wait


class Whereabouts:
    """One per client. ``redis_url``, ``prefix``: instead of the settings."""

    def __init__(self, redis_url: str | None, prefix: str | None, credentials: Credentials | None) -> None:
        self._redis_url = redis_url
        self._prefix = prefix
        self._credentials = credentials
        self._found: Address | None = None
        #: How long a call may take in all, once ``address`` was asked for.
        self.timeout_s = DEFAULT_TIMEOUT_S
        #: For how many replicas new jobs wait, known likewise.
        self.wait: Wait | None = None

    @property
    def address(self) -> Address:
        """Where Redis is. Raises: ConfigError."""
        if self._found is None:
            settings = Environment()
            self.timeout_s = settings.timeout_s()
            self.wait = Wait.from_settings(settings)
            self._found = with_login(self._read, settings, self._credentials)
            if self._found.is_unverified:
                log.event("redis.unverified", level=log.WARNING, redis=str(self._found))
        return self._found

    @address.setter
    def address(self, address: Address) -> None:
        self._found = address

    def _read(self, settings: Environment) -> Address:
        url = settings.redis_url(self._redis_url, self._prefix)
        return parse_url(socket_url(url, settings.directory) if is_embedded(url) else url)
