"""Steps as somebody writes them: judged before they are stored as an inbox would judge them when they begin."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.errors import JqError
from jqjobs.operations.wanted_steps import read_steps
from store.envelope_vectors import JOBS, raw_of

#: What a step does not have, so that the vectors say nothing of it; numbers that a person is to write as 1, and a name.
_NOT_OF_STEPS = {"id", "key", "coalesce", "replace", "then", "batch"}
_OTHERWISE = {"integer-written-as-1.0", "integer-written-as-1e3", "null"}
_OF_STEPS = [
    vector for vector in JOBS
    if not _NOT_OF_STEPS & vector.get("envelope", {}).keys() and vector["name"] not in _OTHERWISE
]  # fmt: skip


@pytest.mark.parametrize("vector", _OF_STEPS, ids=lambda vector: vector["name"])
def test_a_step_is_refused_exactly_when_its_envelope_would_be(vector: dict[str, Any]) -> None:
    said = [{"all": [raw_of(vector).decode()]}]
    try:
        [step] = read_steps(said)
    except JqError:
        assert "refused" in vector
    else:
        assert "refused" not in vector
        assert step.envelopes[0]["job"] == vector["job"]["name"]
