"""The vectors of docs/vectors and the schema of the envelope say what `ingest` and the worker do with an envelope."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from store.envelope_vectors import ANSWERS, DOCS, JOBS, NOW_MS, answered, became, begin_wait, raw_of
from store.queue_system import QueueSystem

_MOST_BYTES = 1_048_576
SCHEMA = json.loads((DOCS / "envelope.schema.json").read_text("utf-8"))


def _whole_pattern(_: Any, pattern: str, value: Any, __: Any) -> Any:
    # In ECMAScript, which JSON Schema means, $ is the end; in Python it is before a line feed at the end, too.
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


VALIDATOR = extend(Draft202012Validator, {"pattern": _whole_pattern})(SCHEMA)


def is_schematic(raw: bytes) -> bool:
    """Whether a producer with the schema would send it."""
    try:
        return bool(VALIDATOR.is_valid(msgspec.json.decode(raw)))
    except (msgspec.DecodeError, RecursionError):
        return False


def without_id(job: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key != "id"}


@pytest.fixture
def system(real_system: QueueSystem) -> QueueSystem:
    real_system.clock.now_ms = NOW_MS
    return real_system


def test_every_envelope_becomes_what_its_vector_says(system: QueueSystem) -> None:
    for vector in JOBS:
        queue = vector["name"]
        system.push(raw_of(vector), queue=queue)
        found = became(system, queue)
        if "job" in vector:
            assert found.keys() == {"job"}, (queue, found)
            assert without_id(found["job"]) == without_id(vector["job"]), queue
            assert vector["job"].get("id") in (None, found["job"]["id"])
        else:
            assert found == {"refused": vector["refused"]}, queue


def test_every_answer_does_what_its_vector_says(system: QueueSystem) -> None:
    for vector in ANSWERS:
        queue = vector["name"]
        begin_wait(system, queue)
        system.push(raw_of(vector), queue=queue)
        assert answered(system, queue) == {k: vector[k] for k in ("result", "error", "refused") if k in vector}, queue


def test_the_schema_is_one_and_agrees_with_every_vector() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for vector in JOBS:
        expected = "job" in vector or vector.get("beyond_schema", False)
        assert is_schematic(raw_of(vector)) is expected, vector["name"]
    for vector in ANSWERS:
        depends_on_job = vector["name"] in ("no-such-job", "another-token")
        assert is_schematic(raw_of(vector)) is ("refused" not in vector or depends_on_job), vector["name"]


@pytest.mark.parametrize(
    ("word", "is_one"),
    [
        ({"open": "q/b"}, True),
        ({"open": "q/b", "then": ['{"job":"n"}'], "always": [], "on_dead": "go", "keep_ms": 1}, True),
        ({"open": "q/b", "on_dead": "so"}, False),
        ({"open": f"q/{'b' * 65}"}, False),
        ({"open": "q/b", "count": 1}, False),
        ({"close": "q/b", "count": 0}, True),
        ({"close": "q/b"}, False),
    ],
)
def test_the_schema_and_the_queue_agree_on_what_opens_and_closes_a_batch(
    system: QueueSystem, word: dict[str, Any], is_one: bool
) -> None:
    system.push(word)
    assert (system.ingest()[1], is_schematic(json.dumps(word).encode())) == (0 if is_one else 1, is_one)


def test_an_envelope_of_1_mib_becomes_a_job_and_one_of_a_byte_more_does_not(system: QueueSystem) -> None:
    fitting = b'{"job":"j"}'.ljust(_MOST_BYTES)
    system.push(fitting, queue="fits")
    system.push(fitting + b" ", queue="does-not")
    assert "job" in became(system, "fits")
    assert became(system, "does-not") == {"refused": "too_large"}


_VALUES = st.one_of(
    st.none(), st.booleans(), st.text("ab 1-.\n", max_size=3), st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 2), max_size=2),
    st.sampled_from(["queued", "unfinished", "stored", "j"]),
    st.sampled_from([-316224000001, -4097, -4096, -1, 0, 1, 0.5, 1.0, 4095, 4096, 10**6 + 1, 2**53]),
)  # fmt: skip
_KEYS = [*SCHEMA["$defs"]["job"]["properties"], "other"]
_ENVELOPES = st.builds(
    lambda some, more: more | some,
    st.fixed_dictionaries({}, optional={"job": st.just("j"), "key": st.just("k")}),
    st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=3),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(envelope=_ENVELOPES)
def test_the_schema_and_the_queue_agree_on_any_envelope(system: QueueSystem, envelope: dict[str, Any]) -> None:
    system.redis("FLUSHALL")
    raw = json.dumps(envelope).encode()
    system.push(raw)
    assert ("job" in became(system, "q")) is is_schematic(raw), envelope
