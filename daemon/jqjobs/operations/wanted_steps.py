"""What is to come after a job or a batch, as somebody writes it: read, judged, sent where it is registered.

Judged by the rules for what comes through an inbox (lua/rules/arrival/envelope.lua, step_words.lua): what begins later
can only be rejected. A test holds both together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from jqjobs.base.clock import LONGEST_MS
from jqjobs.base.words import listed
from jqjobs.errors import InvalidArguments, InvalidOption
from jqjobs.jobs.flow import MAX_ID_LENGTH, MAX_MEMBERS, longest_id, written
from jqjobs.jobs.groups import check_group
from jqjobs.jobs.options import check_integer, check_meta, check_tags
from jqjobs.jobs.records import PRIORITIES, check_name
from jqjobs.operations.arguments import as_json_bytes, check_known
from jqjobs.operations.offers import check_arguments, destination, warning_of
from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reply_values import strict_json
from jqjobs.store.store import Store

_TIMES = range(1, 1_000_001)
#: Keys of a step that hold a number, and which.
_NUMBERS = {
    "priority": PRIORITIES, "delay_ms": range(-LONGEST_MS, LONGEST_MS + 1), "due_ms": range(2**53),
    "max_attempts": _TIMES, "max_crashes": _TIMES, "timeout_ms": range(1, LONGEST_MS + 1),
    "expires_ms": range(LONGEST_MS + 1), "keep_ms": range(1, LONGEST_MS + 1),
}  # fmt: skip
_KEYS = ("job", "queue", "args", "kwargs", "tags", "group", "meta", *_NUMBERS)
#: What an envelope may have, and a step gets from its place.
_OF_ITS_PLACE = ("id", "key", "coalesce", "replace", "then", "batch")
_EXAMPLE = 'a step is the name of a job, {"job": "publish", "args": [7]}, or {"all": [steps side by side]}'


class WantedStep(NamedTuple):
    """A step: one envelope, or those of a list."""

    envelopes: Sequence[dict[str, Any]]
    is_list: bool

    @property
    def members(self) -> int:
        """How many members the list has, 0 of a step that is none."""
        return len(self.envelopes) if self.is_list else 0


class WrittenSteps(NamedTuple):
    """Steps as a record has them. ``warning``: why nobody may run one of them."""

    text: bytes = b""
    warning: str | None = None


def read_steps(said: Iterable[Any]) -> list[WantedStep]:
    """Return steps, each said as JSON or its text: an envelope, the name of a job, or a list of these, {"all": […]}.

    Raises: InvalidOption, InvalidName, InvalidArguments.
    """
    return [_read_step(_value(each)) for each in said]


def _read_step(said: Any) -> WantedStep:
    if not (isinstance(said, dict) and "all" in said):
        return WantedStep([_envelope(said)], is_list=False)
    check_known(said, ["all"])
    members = said["all"]
    if not isinstance(members, list) or not 1 <= len(members) <= MAX_MEMBERS:
        raise InvalidOption(f"a list has 1 to {MAX_MEMBERS} steps", hint=_EXAMPLE)
    return WantedStep([_envelope(_value(each)) for each in members], is_list=True)


def _value(said: Any) -> Any:
    if not isinstance(said, str):
        return said
    if not said.lstrip().startswith(("{", "[", '"')):
        return {"job": said}
    try:
        return strict_json(said)
    except ValueError as error:
        raise InvalidOption(f"a step is not JSON: {error}", hint=_EXAMPLE) from None


def _envelope(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict) or "job" not in said:
        raise InvalidOption("a step names no job", hint=_EXAMPLE)
    if own := [key for key in _OF_ITS_PLACE if key in said]:
        raise InvalidOption(f"a step has no {listed(own)} of its own", hint="its place in the chain says that")
    check_known(said, _KEYS)
    if unsaid := [key for key, value in said.items() if value is None]:
        raise InvalidOption(f"{listed(unsaid)} of a step is null", hint="leave it out")
    check_name(said["job"], "job name")
    if "queue" in said:
        check_name(said["queue"], "queue")
    for key, allowed in _NUMBERS.items():
        check_integer(said.get(key), key, allowed)
    check_tags(said.get("tags"))
    check_group(said.get("group"))
    check_meta(said.get("meta"))
    if not isinstance(said.get("args", []), list) or not isinstance(said.get("kwargs", {}), dict):
        raise InvalidArguments("args of a step are a JSON list, kwargs a JSON object", hint=_EXAMPLE)
    return said


def check_ids(root: int, number: int, steps: Sequence[WantedStep]) -> None:
    """Raise InvalidOption unless their ids are names; ``root``, ``number``: as of `longest_id`."""
    if longest_id(root, number, [step.members for step in steps]) > MAX_ID_LENGTH:
        raise InvalidOption(
            f"steps after so many lists would have ids of more than {MAX_ID_LENGTH} characters", hint="a shorter id"
        )


def written_steps(
    store: Store, steps: Sequence[WantedStep], shown: Callable[[Offer], Offer], *, unchecked: bool
) -> WrittenSteps:  # fmt: skip
    """Return steps as they are stored: one that names no queue goes where its job is registered.

    ``shown``, ``unchecked``: as of `enqueueing`. Raises: InvalidOption, InvalidArguments, NotFound, Conflict.
    """
    warnings = list[str]()

    @cache
    def place_of(queue: str | None, name: str) -> tuple[str, Offer | None]:
        place, offer = destination(store, queue, name, '"queue":')
        if not warnings and (warning := warning_of(store, place, name, is_offered=offer is not None)):
            warnings.append(warning)
        return place, offer

    def sent(envelope: Mapping[str, Any]) -> bytes:
        queue, offer = place_of(envelope.get("queue"), envelope["job"])
        text = as_json_bytes({**envelope, "queue": queue})
        if offer and not unchecked:
            check_arguments(offer, text, shown(offer))
        return text

    texts = []
    for step in steps:
        envelopes = [sent(envelope) for envelope in step.envelopes]
        texts.append(as_json_bytes({"all": [each.decode() for each in envelopes]}) if step.is_list else envelopes[0])
    return WrittenSteps(written(texts), warnings[0] if warnings else None)
