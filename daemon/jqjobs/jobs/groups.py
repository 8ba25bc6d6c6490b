"""Groups of jobs that take turns, however many jobs one of them has: what a job is registered with, and the word that
is stored with a call. Who takes the next turn is decided in lua/rules/turns/.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

from jqjobs.errors import InvalidOption
from jqjobs.jobs.argument_text import check_form, filled_in, names_in

MAX_GROUP_BYTES = 128
#: The field of a job's record. Its field ``group`` is another one: of dead jobs, that of their error.
FIELD = "fair"
#: With what its value begins, so that who takes a job knows it without the names of the fields
#: (lua/rules/trip/plain_record.lua).
_MARK = "="
_WORD = re.compile(rb"[^\x00-\x20\x7f]{1,%d}" % MAX_GROUP_BYTES)
_BREAK = re.compile(r"[\x00-\x20\x7f]")


def check_group(group: str | None) -> None:
    """Raise InvalidOption unless a call may have this as its group; None says nothing."""
    if group is not None and not _is_word(group):
        raise InvalidOption(
            f"group {group!r} is not text of 1 to {MAX_GROUP_BYTES} bytes without spaces", hint="such as 'tenant:42'"
        )


def check_group_form(form: str | None, parameters: Collection[str] | None = None) -> None:
    """Raise InvalidOption unless a job can be registered with this. ``parameters``: None for any, see `named`."""
    check_form(form, "the group")
    unknown = ", ".join(sorted(names_in(form or "") - set(parameters or ()))) if parameters is not None else ""
    if unknown:
        raise InvalidOption(f"the group {form!r} names {unknown}, which is no parameter of the job")


def is_made_of_arguments(form: str | None) -> bool:
    """Whether calls of a job may be of different groups."""
    return form is not None and bool(names_in(form))


def group_of(form: str, arguments: Mapping[str, Any]) -> str:
    """Return the group of a call, a digest where what it is made of is long or odd. Raises: InvalidArguments."""
    text = filled_in(form, arguments, "the group")
    if _is_word(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{_BREAK.sub('_', text.encode('ascii', 'replace').decode())[:64]}~{digest}"


def group_fields(group: str | None) -> tuple[str, ...]:
    """Return a group as a job's record has it, name and value; nothing for none."""
    return (FIELD, _MARK + group) if group else ()


def group_in(value: str | None) -> str | None:
    """Return the group of a job whose record has this as that field, None when it has none."""
    return value.removeprefix(_MARK) if value else None


def _is_word(value: object) -> bool:
    try:
        return isinstance(value, str) and _WORD.fullmatch(value.encode()) is not None
    except UnicodeEncodeError:
        return False
