"""Text that is made of the arguments of a call: ``reports:{tenant_id}``. Keys of limits, and groups."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from jqjobs.errors import InvalidArguments, InvalidOption


def check_form(form: object, what: str) -> None:
    """Raise InvalidOption unless this is text that can be filled in; None says nothing. ``what``: how it is called."""
    if form is None:
        return
    try:
        if not (isinstance(form, str) and form and all(name.isidentifier() for name in names_in(form))):
            raise ValueError("it is text with arguments of the job as {name}")
    except ValueError as error:
        raise InvalidOption(f"{what} {form!r} cannot be used: {error}") from None


def names_in(form: str) -> set[str]:
    """Return the names of arguments in it. Raises: ValueError when a brace is left open."""
    fields = [field for _, field, _, _ in string.Formatter().parse(form) if field is not None]
    return {re.split(r"[.\[]", field, maxsplit=1)[0] for field in fields}


def filled_in(form: str, arguments: Mapping[str, Any], what: str) -> str:
    """Return the text of a call. ``arguments``: by name. Raises: InvalidArguments."""
    try:
        return form.format_map(arguments)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        why = f"there is no {error}" if isinstance(error, KeyError) else f"{error}"
        raise InvalidArguments(f"{what} {form!r} cannot be made of the arguments: {why}") from None
