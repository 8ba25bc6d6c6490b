"""The prefix of all keys and channels in Redis: what it may be, and how a Redis URL says it, `?prefix=…`.

Apps whose prefixes differ never meet on one Redis. Which one is meant, `config` finds out.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from jqjobs.errors import ConfigError

DEFAULT_PREFIX = "jq"
PREFIX_HINT = "a prefix is a letter or digit and up to 31 more of them, '_', '.', '-', ':'; no ':' at its end"

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,31}(?<!:)")
#: Nothing behind an `@`, `/` or `#`: what holds one of them is no option, but a password that should be encoded.
_IN_URL = re.compile(r"(?<=[?&])prefix=([^&@/#]*)(?:&|$)")


def is_prefix(text: str) -> bool:
    """Whether keys can begin with it."""
    return bool(_PREFIX.fullmatch(text))


def check_prefix(text: str, what: str = "prefix") -> str:
    """Return it. Raises: ConfigError when keys cannot begin with it."""
    if not isinstance(text, str) or not is_prefix(text):
        raise ConfigError(f"{what} {text!r} is no prefix of keys", hint=PREFIX_HINT)
    return text


def prefix_in(url: str) -> str | None:
    """Return what a Redis URL says, unchecked; None when it says nothing."""
    found = _IN_URL.search(url)
    return unquote(found[1]) if found else None


def with_prefix(url: str, prefix: str) -> str:
    """Return the URL with this prefix instead of its own."""
    bare = _IN_URL.sub("", url).rstrip("?&")
    return f"{bare}{'&' if '?' in bare else '?'}prefix={prefix}"
