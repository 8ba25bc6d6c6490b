"""What a check of the doctor comes to."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is. UNKNOWN: Redis, or whoever else was asked, does not tell."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


class Finding(NamedTuple):
    """One thing that was found. ``subject``: of what; ``hint``: what to do about it."""

    level: Level
    subject: str
    message: str
    hint: str = ""


def fine(subject: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(Level.OK, subject, message)


def unknown(subject: str, message: str) -> Finding:
    """Return that nobody here can tell."""
    return Finding(Level.UNKNOWN, subject, message)


def warning(subject: str, message: str, hint: str) -> Finding:
    """Return what will do harm some day, or may be meant."""
    return Finding(Level.WARNING, subject, message, hint)


def error(subject: str, message: str, hint: str) -> Finding:
    """Return what does harm now: jobs do not run, or may be lost."""
    return Finding(Level.ERROR, subject, message, hint)
