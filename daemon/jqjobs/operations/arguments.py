"""JSON that a person writes: the arguments of a job, its result, what an object may say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jqjobs.base.words import listed
from jqjobs.errors import InvalidArguments, InvalidOption, PayloadTooLarge
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES
from jqjobs.store.reply_values import strict_json


def payload_of(args_text: str, kwargs_text: str, job: str = "") -> bytes:
    """Return the payload of a job with these arguments, given as JSON texts.

    ``job``: its name, which a raw envelope has: it says that nobody has checked the arguments.
    Raises: InvalidArguments, PayloadTooLarge.
    """
    args, kwargs = _read("--args", args_text, list), _read("--kwargs", kwargs_text, dict)
    given = {"job": job, "args": args, "kwargs": kwargs}
    return _checked(as_json_bytes({key: value for key, value in given.items() if value}))


def as_json_bytes(value: Any) -> bytes:
    """Return a value as it is stored. Raises: InvalidArguments."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidArguments("the arguments hold half a surrogate pair, which is no character") from None


def result_of(text: str) -> bytes:
    """Return the result of a job as it is stored, given as a JSON text. Raises: InvalidArguments, PayloadTooLarge."""
    try:
        strict_json(text)
        encoded = text.encode()
    except ValueError as error:  # an encoding error is one too: half a surrogate pair
        raise InvalidArguments(f"--result is not JSON: {error}", hint="for example --result '{\"url\": 1}'") from None
    return _checked(encoded)


def check_said(given: Mapping[str, Any], word: str, hint: str) -> None:
    """Raise InvalidOption where a word is missing, or says nothing. ``hint``: what it is."""
    if given.get(word) in (None, ""):
        raise InvalidOption(f"{word} is missing", hint=hint)


def check_known(given: Iterable[str], known: Sequence[str]) -> None:
    """Raise InvalidOption for words of a JSON object that mean nothing: most likely they are mistyped."""
    if unknown := sorted(set(given) - set(known)):
        raise InvalidOption(f"unknown: {listed(unknown)}", hint=f"there are {', '.join(known)}")


def _read(option: str, source: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    example = "--args '[42, \"text\"]'" if kind is list else "--kwargs '{\"user_id\": 42}'"
    try:
        value = strict_json(source)
    except ValueError as error:
        raise InvalidArguments(f"{option} is not JSON: {error}", hint=f"for example {example}") from None
    if not isinstance(value, kind):
        what = "list" if kind is list else "object"
        raise InvalidArguments(f"{option} is not a JSON {what}", hint=f"for example {example}")
    return value


def _checked(encoded: bytes) -> bytes:
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge()
    return encoded
