"""What a job carries, as bytes: the arguments of its call and what else was said of it, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from jqjobs.errors import InvalidArguments, MalformedPayload, PayloadTooLarge
from jqjobs.jobs.carried_types import encode, to_builtins
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES


class Payload(msgspec.Struct):
    """What a job carries. Other keys (of an ingested envelope) are passed over; ``tags`` are only checked."""

    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    tags: list[str] | None = None


class _Origin(msgspec.Struct):
    job: str | None = None


_decoder = msgspec.json.Decoder(Payload)


def decode_payload(raw: bytes) -> Payload:
    """Decode strictly. Raises: MalformedPayload with what is wrong, and where."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(str(error)) from None


def is_envelope(raw: bytes) -> bool:
    """Return whether a payload came as a raw envelope, which names its job: nobody has checked its arguments."""
    return msgspec.json.decode(raw, type=_Origin).job is not None


def encode_payload(name: str, parts: Mapping[str, Any]) -> bytes:
    """Return the fields of a payload as JSON; ``name``: of the function. Raises: InvalidArguments, PayloadTooLarge."""
    try:
        payload: bytes = encode(parts)
    except (TypeError, ValueError, OverflowError, RecursionError, NotImplementedError) as error:
        raise InvalidArguments(f"{name}: not JSON: {error}") from None
    if b"null" in payload and has_nonfinite(to_builtins(parts)):  # NaN would arrive as null
        raise InvalidArguments(f"{name}: JSON has no NaN and no infinity")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"{name}: the arguments take {len(payload)} bytes as JSON, more than 1 MiB",
            hint="store the data elsewhere and pass a reference",
        )
    return payload


def has_nonfinite(value: Any) -> bool:
    """Whether there is a NaN or an infinity anywhere in plain values."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(has_nonfinite(item) for pair in value.items() for item in pair)
    return isinstance(value, (list, tuple)) and any(map(has_nonfinite, value))
