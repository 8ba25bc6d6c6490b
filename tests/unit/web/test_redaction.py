"""What nobody is to see is hidden, at any depth, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.web.redaction import HIDDEN, Redaction, redacted

SECRET = "s3cr3t"
_NAMES = st.sampled_from(["password", "API_KEY", "user_password_2", "Authorization", "card_no", "x_secret_y", "token"])
_PLAIN = st.none() | st.booleans() | st.integers() | st.text(alphabet="abc")
_TREES = st.recursive(
    _PLAIN | st.dictionaries(_NAMES, st.just(SECRET) | st.just([SECRET]) | st.just({"a": SECRET}), max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="xyz"), inner, max_size=3),
)


def job(**fields: Any) -> JobInfo:
    known = dict.fromkeys(JobInfo._fields) | {"id": "1", "queue": "q", "name": "pay", "log": (), "history": ()}
    return JobInfo(**{**known, **fields})


@given(_TREES)
def test_no_secret_is_left_at_any_depth(tree: Any) -> None:
    shown = Redaction(["*card*"]).of(tree)

    assert SECRET not in json.dumps(shown)


@given(st.recursive(_PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="xyz"), inner)))
def test_what_is_no_secret_stays_as_it_is(tree: Any) -> None:
    assert Redaction().of(tree) == tree


def test_a_job_says_itself_what_is_hidden_and_its_positions_have_names() -> None:
    schema = {"x-positional": ["user", "pin", "note"]}
    offer = Offer("pay", "q", {"redact": ["pin"]}, schema, is_live=True)

    shown = redacted(job(args=[1, 1234, "hi", {"password": "x"}], kwargs={"pin": 1, "a": [{"PIN": 2}]}), offer,
                     Redaction())  # fmt: skip

    assert shown.args == [1, HIDDEN, "hi", {"password": HIDDEN}]
    assert shown.kwargs == {"pin": HIDDEN, "a": [{"PIN": HIDDEN}]}


def test_results_and_payloads_that_are_no_jobs_are_no_way_around() -> None:
    found = job(result={"token": SECRET}, payload='{"args": 3, "kwargs": {"password": "s3cr3t"}}')

    shown = redacted(found, None, Redaction())

    assert SECRET not in f"{shown.result} {shown.payload}"


def test_a_catalog_entry_may_say_anything() -> None:
    offer = Offer("pay", "q", {"redact": [1, None, "a*"]}, True, is_live=True)

    assert redacted(job(kwargs={"abc": 1}), offer, Redaction()).kwargs == {"abc": HIDDEN}


def test_a_function_of_the_user_decides_too() -> None:
    shown = Redaction(ask=lambda name, value: "****" if name == "iban" else value)

    assert shown.of({"iban": "DE1", "n": 1, "password": "x"}) == {"iban": "****", "n": 1, "password": HIDDEN}


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2", "x": NaN',
        "{'password': 'hunter2'}",
        "password=hunter2&x=1",
        '{"\\u0070assword":"hunter2"',
    ],
)
def test_text_that_is_no_json_is_not_shown_when_a_hidden_name_may_be_in_it(text: str) -> None:
    assert "hunter2" not in Redaction().of_text(text)


def test_other_text_that_is_no_json_is_shown_as_it_is() -> None:
    assert Redaction().of_text('{"job": "a", "args": [1,') == '{"job": "a", "args": [1,'
