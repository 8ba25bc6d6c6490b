"""Which errors are the same one: a digest of what failed, less what differs from one failure to the next.

The worker reports it with a failure; the store counts dead jobs by it (lua/rules/outcome/error_groups.lua).
"""

from __future__ import annotations

import hashlib
import re

_DIGEST_BYTES = 6
_MOST_CLASS = 200
#: Values in a message: in quotes, addresses, UUIDs, words with a digit in them, other hex. Tried once a word: 1,000
#: characters take 2 ms at worst.
_VALUE = re.compile(
    r"""(?<!\w)(['"`]).{0,200}?\1(?!\w)
    | (?<![\w.+-])[\w.+-]+@[\w.-]+
    | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
    | \b\w*\d\w*
    | \b[0-9a-f]{8,}\b""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
#: Values in a row, a list, a date or a number with a fraction, are as one.
_ROW = re.compile(r"#(?:[-+\s,;:./]*#)+")


def class_path(error: BaseException) -> str:
    """Return ``module.Class`` of an error, whatever its metaclass makes of that; of a built-in one ``Class``."""
    module, name = (str(type.__dict__[part].__get__(type(error))) for part in ("__module__", "__qualname__"))
    return (name if module == "builtins" else f"{module}.{name}")[:_MOST_CLASS]


def without_values(message: str) -> str:
    """Return what a message says in its own words: each value in it, and each row of values, is ``#``."""
    return _ROW.sub("#", _VALUE.sub("#", message))


def fingerprint(job_name: str, error_class: str, message: str) -> str:
    """Return twelve hex digits that are the same for the same error of the same job."""
    told = "\n".join((job_name, error_class, without_values(message)))
    return hashlib.blake2b(told.encode("utf-8", "backslashreplace"), digest_size=_DIGEST_BYTES).hexdigest()
