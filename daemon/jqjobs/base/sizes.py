"""Amounts of memory as people write them: ``"300MB"``, ``"1.5GiB"``, or a number of bytes."""

from __future__ import annotations

import re

from jqjobs.errors import InvalidOption

Size = int | str

_UNITS = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.ASCII | re.IGNORECASE)
_MOST_BYTES = 2**53


def size_bytes(value: Size, what: str = "size") -> int:
    """Return an amount of memory in bytes: MB is a million of them, MiB is 2^20, as in the SI and in IEC 80000-13.

    Raises: InvalidOption for what is no amount, for a negative one, and for more than 2^53.
    """
    found = _to_bytes(value)
    if found is None:
        raise InvalidOption(f"{what} {value!r} is not an amount of memory; write bytes or text such as '300MB', '1GiB'")
    if not 0 <= found <= _MOST_BYTES:
        raise InvalidOption(f"{what} {value!r} is out of range")
    return int(found)


def _to_bytes(value: object) -> float | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit = match.groups()
    unit = unit.upper()
    factor = _UNITS.get(unit, _UNITS.get(unit + "B"))  # "300M" is 300 MB
    return None if factor is None else float(number) * factor


def format_size(size: float) -> str:
    """Return an amount for people: ``512 B``, ``3.4 MB``, ``1.2 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # what is more would be rounded to a thousand of this unit
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
