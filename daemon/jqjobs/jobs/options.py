"""What one call of a job may say, other than its arguments: the options of `Job.options`, and what they may be."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import InvalidOption
from jqjobs.jobs.groups import check_group, group_fields
from jqjobs.jobs.records import PRIORITIES, Coalesce, check_name

MAX_KEY_BYTES = 256
#: A job has at most so many tags; each is 1 to 64 bytes without spaces and control characters.
MAX_TAGS = 16
_TAG = re.compile(rb"[^\x00-\x20\x7f]{1,64}")


def check_integer(value: int | None, what: str, allowed: range) -> None:
    """Raise InvalidOption unless ``value`` is None or an integer of ``allowed``."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InvalidOption(f"{what} {value!r} is not an integer from {allowed[0]} to {allowed[-1]}")


def positive_ms(span: Duration, what: str) -> int:
    """Return a duration in ms that must be more than nothing. Raises: InvalidOption."""
    ms = duration_ms(span, what)
    if ms < 1:
        raise InvalidOption(f"{what} {span!r} leaves no time; None means no limit")
    return ms


def check_coalesce(mode: str | None, replace: bool | None) -> None:
    """Raise InvalidOption unless these say how a coalescing key is used; None says nothing."""
    if mode is not None and mode not in list(Coalesce):
        raise InvalidOption(f"coalesce {mode!r} is none of {', '.join(Coalesce)}")
    if replace is not None and not isinstance(replace, bool):
        raise InvalidOption(f"replace {replace!r} is neither True nor False")


def check_meta(meta: Mapping[str, Any] | None) -> None:
    """Raise InvalidOption unless this may be a JSON object; None says nothing."""
    if meta is not None and not (isinstance(meta, Mapping) and all(isinstance(name, str) for name in meta)):
        raise InvalidOption(f"meta {meta!r} is no dict with text for keys")


def check_on_commit(alias: str | bool | None) -> None:
    """Raise InvalidOption unless this names a database of Django, or is "outbox"; False: at once; None says nothing."""
    if alias is not None and alias is not False and not (isinstance(alias, str) and alias):
        raise InvalidOption(f"on_commit {alias!r} names no database of Django", hint="'default' does; False: none")


def check_tags(tags: Sequence[str] | None) -> None:
    """Raise InvalidOption unless these are tags; None says nothing."""
    if tags is None:
        return
    if not isinstance(tags, (list, tuple)) or len(tags) > MAX_TAGS:
        raise InvalidOption(f"tags {tags!r} is no list of at most {MAX_TAGS}")
    for tag in tags:
        if not is_tag(tag):
            raise InvalidOption(f"tag {tag!r} is not text of 1 to 64 bytes without spaces", hint="such as 'tenant:42'")


def is_tag(value: object) -> bool:
    """Whether a job may have this as a tag."""
    try:
        return isinstance(value, str) and _TAG.fullmatch(value.encode()) is not None
    except UnicodeEncodeError:
        return False


def tag_fields(tags: Sequence[str] | None) -> tuple[str, ...]:
    """Return tags as a job's record has them, name and value; nothing for none."""
    return ("tags", " ".join(dict.fromkeys(tags))) if tags else ()


def _is_key(value: object) -> bool:
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, slots=True)
class Options:
    """What a call may override with ``.options(…)``; None leaves the job's own setting."""

    queue: str | None = None
    id: str | None = None
    key: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    due: datetime | str | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    timeout: Duration | None = None
    expires: Duration | None = None
    keep: Duration | None = None
    coalesce: str | None = None
    replace: bool | None = None
    meta: Mapping[str, Any] | None = None
    on_commit: str | Literal[False] | None = None
    tags: Sequence[str] | None = None
    outbox: Any = None
    group: str | None = None

    def __post_init__(self) -> None:
        check_coalesce(self.coalesce, self.replace)
        check_meta(self.meta)
        check_on_commit(self.on_commit)
        check_tags(self.tags)
        check_group(self.group)
        for what, name in (("queue", self.queue), ("id", self.id)):
            if name is not None:
                check_name(name, what)
        if self.key is not None and not _is_key(self.key):
            raise InvalidOption(f"key {self.key!r} is not text of 1 to {MAX_KEY_BYTES} bytes")
        for what, span in (("timeout", self.timeout), ("keep", self.keep), ("expires", self.expires)):
            if span is not None:
                positive_ms(span, what)
        if self.delay is not None and self.due is not None:
            raise InvalidOption("give delay or due, not both")
        if self.delay is not None or self.due is not None:
            from jqjobs.jobs.moments import check_delay, check_due  # a process that puts nothing off does without

            if self.delay is not None:
                check_delay(self.delay)
            else:
                check_due(self.due)
        check_integer(self.priority, "priority", PRIORITIES)
        check_integer(self.max_attempts, "max_attempts", range(1, 1_000_001))
        check_integer(self.max_crashes, "max_crashes", range(1, 1_000_001))

    def with_(self, later: Options) -> Options:
        """Return these options with those that ``later`` gives in their place; delay and due replace each other."""
        merged = {name: getattr(self, name) for name in self.__slots__}
        if later.delay is not None or later.due is not None:
            merged["delay"] = merged["due"] = None
        merged |= {name: value for name in self.__slots__ if (value := getattr(later, name)) is not None}
        return Options(**merged)

    def check_key(self) -> None:
        """Raise InvalidOption when coalescing is spoken of, and nothing coalesces."""
        if self.key is None and (self.coalesce is not None or self.replace):
            raise InvalidOption("coalesce and replace go with a key", hint="give the key in the same call, or before")

    @property
    def when(self) -> Duration | datetime | None:
        """What it says of when the job is due."""
        return self.delay if self.due is None else self.due

    def due_text(self) -> str:
        """Return when the job is due, as `NewJob.due` wants it; moments by the clock of this host."""
        if self.when is None:
            return ""
        from jqjobs.jobs.moments import due_text

        return due_text(self.when, "delay" if self.due is None else "due", time.time_ns() // 1_000_000)

    def fields(self) -> tuple[str | int, ...]:
        """Return the hash fields of what was overridden, flat."""
        found: list[str | int] = []
        for name, number in (("max_attempts", self.max_attempts), ("max_crashes", self.max_crashes)):
            if number is not None:
                found += [name, number]
        for name, span in (("timeout", self.timeout), ("keep", self.keep)):
            if span is not None:
                found += [name, duration_ms(span, name)]
        if self.expires is not None:
            found += ["expires", f"+{duration_ms(self.expires, 'expires')}"]
        return (*group_fields(self.group), *found, *tag_fields(self.tags))


NO_OPTIONS = Options()
