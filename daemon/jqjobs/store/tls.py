"""TLS to Redis: the ``ssl_…`` options of a URL, named as redis-py names them, and what a refusal means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jqjobs.errors import ConfigError

if TYPE_CHECKING:
    import ssl

OPTIONS = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
_REQUIREMENTS = ("none", "optional", "required")
#: As redis-py reads them.
_NO, _YES = ("0", "f", "false", "n", "no"), ("1", "t", "true", "y", "yes")

_UNKNOWN_AUTHORITY = "name the file of the authority that signed it: ?ssl_ca_certs=FILE"
_OTHER_NAME = (
    "connect by a name that stands in the certificate, which sentinels and nodes of a cluster must announce, too;"
    " or say ssl_check_hostname=false"
)
_FILES = "name files in PEM form that this user may read"
_OURS = "it may want a certificate of ours, or another one: ssl_certfile, ssl_keyfile"
#: X509_V_ERR_… of OpenSSL: expired, host name and address that do not match.
_HINTS = {10: "it has expired: renew it on the server", 62: _OTHER_NAME, 64: _OTHER_NAME}


class _FileRefused(OSError):
    """A file that a URL names cannot be read, or not any more."""

    def __init__(self, what: str) -> None:
        super().__init__(0, what)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server proves who it is, and we to it. ``cert_reqs``: to a client, optional is required."""

    cert_reqs: str = "required"
    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""
    check_hostname: bool = True

    @property
    def is_unverified(self) -> bool:
        """Whether anybody could be at the other end."""
        return self.cert_reqs == "none"

    def context(self) -> ssl.SSLContext:
        """Return what a connection is made with; files are read anew. Raises: OSError."""
        import ssl  # only where it is needed: it costs 30 ms

        try:
            context = ssl.create_default_context(cafile=self.ca_certs or None)
        except OSError as error:
            raise _FileRefused(f"ssl_ca_certs {self.ca_certs}: {error.strerror}") from error
        context.check_hostname = self.check_hostname and not self.is_unverified
        context.verify_mode = ssl.CERT_NONE if self.is_unverified else ssl.CERT_REQUIRED
        if self.certfile:
            try:  # with a password: else OpenSSL asks the terminal for that of an encrypted key
                context.load_cert_chain(self.certfile, self.keyfile or None, password="")
            except OSError as error:
                raise _FileRefused(
                    f"ssl_certfile {self.certfile}, ssl_keyfile {self.keyfile}: {error.strerror}"
                ) from error
        return context


def tls_of(options: Mapping[str, str]) -> Tls:
    """Return what the options of a URL say. Raises: ConfigError, also when a file cannot be read."""
    given = {name.removeprefix("ssl_"): value for name, value in options.items() if name in OPTIONS}
    requirement = given.pop("cert_reqs", "required").lower()
    checks = given.pop("check_hostname", "true").lower()
    if requirement not in _REQUIREMENTS:
        raise ConfigError("ssl_cert_reqs of the Redis URL is unknown", hint=f"use {', '.join(_REQUIREMENTS)}")
    if checks not in _YES + _NO:
        raise ConfigError("ssl_check_hostname of the Redis URL is unknown", hint="use true or false")
    tls = Tls(cert_reqs=requirement, check_hostname=checks in _YES, **given)
    if tls.keyfile and not tls.certfile:
        raise ConfigError("the Redis URL has ssl_keyfile without ssl_certfile", hint="name the certificate of that key")
    try:
        tls.context()
    except OSError as error:
        raise ConfigError(f"the Redis URL: {error.strerror}", hint=_FILES) from None
    return tls


def explain(error: OSError) -> tuple[str, str, str]:
    """Return the reason of a refusal in a word and what happened, "" when that is not TLS's; and what to do."""
    import ssl

    if isinstance(error, _FileRefused):
        return "certificate", str(error.args[1]), _FILES
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"its certificate is refused: {error.verify_message}"
        return "certificate", what, _HINTS.get(error.verify_code, _UNKNOWN_AUTHORITY)
    if isinstance(
        error, (ConnectionResetError, ssl.SSLEOFError)
    ):  # its word on our certificate may be lost with the connection
        return "", "", f"is it running? {_OURS}"
    if not isinstance(error, ssl.SSLError):
        return "", "", "is it running, and is TLS spoken at that port? redis:// is without"
    said = f"TLS fails: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if "alert" in said:  # the server's word on what we sent
        return "certificate", said, _OURS
    return "tls", said, "is TLS spoken at that port? redis:// is without"
