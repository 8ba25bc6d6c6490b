"""What is shown of a job is what workers have published that may be seen; of others only names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.web.judgement import Judge, judge_of, without_secrets
from jqjobs.web.redaction import HIDDEN, Redaction

SECRET = "s3cr3t"


def job(**fields: Any) -> JobInfo:
    known = dict.fromkeys(JobInfo._fields) | {"id": "1", "queue": "q", "name": "pay", "log": (), "history": ()}
    return JobInfo(**{**known, **fields})


def offer(redact: Any = None, parameters: Any = None) -> Offer:
    return Offer("pay", "q", {} if redact is None else {"redact": redact}, parameters, is_live=True)


def judge(*offers: Offer) -> Judge:
    return judge_of(offers, Redaction())


def test_a_job_says_itself_what_is_hidden_and_its_positions_have_names() -> None:
    paying = judge(offer(["pin"], {"x-positional": ["user", "pin", "note"]}))

    shown = paying.job(job(args=[1, 1234, {"password": "x"}, "more"], kwargs={"pin": 1, "a": [{"PIN": 2}]}))

    assert shown.args == [1, HIDDEN, {"password": HIDDEN}, HIDDEN]
    assert shown.kwargs == {"pin": HIDDEN, "a": [{"PIN": HIDDEN}]}


@pytest.mark.parametrize("offers", [(), (offer(3),), (offer({"a": 1}),), (offer([1, "a"]),), (offer(["a"] * 201),)])
def test_of_what_nobody_has_published_only_names_are_shown(offers: tuple[Offer, ...]) -> None:
    found = job(args=[SECRET, [SECRET]], kwargs={"iban": SECRET, "n": [{"x": SECRET}]}, result=SECRET)

    shown = judge(*offers).job(found)

    assert (shown.args, shown.kwargs) == ([HIDDEN, [HIDDEN]], {"iban": HIDDEN, "n": [{"x": HIDDEN}]})
    assert shown.result == HIDDEN


def test_positions_without_names_are_shown_of_a_job_alone_that_takes_any_and_hides_none() -> None:
    assert judge(offer()).args([1]) == [HIDDEN]
    assert judge(offer(None, {"x-rest": {}})).args([1, {"token": 2}]) == [1, {"token": HIDDEN}]
    assert judge(offer(["iban"], {"x-rest": {}})).args([1]) == [HIDDEN]


def test_several_queues_offer_it_and_each_of_them_hides_something() -> None:
    both = judge(offer(["a"], {"x-positional": ["x"]}), offer(["b"], {"x-positional": ["y"]}))

    assert both.value({"a": 1, "b": 2, "c": 3}) == {"a": HIDDEN, "b": HIDDEN, "c": 3}
    assert both.args([1]) == [HIDDEN]


@pytest.mark.parametrize(
    "text",
    [
        '{"job": "pay", "kwargs": {"iban": "s3cr3t"}}', '{"job": "pay", "args": ["s3cr3t"], "priority": 3}',
        '{"job": "pay", "args": "s3cr3t"}', '{"job": "pay", "kwargs": ["s3cr3t"]}', '{"job": "pay", "iban": "s3cr3t"}',
        '{"job": "pay", "meta": {"token": "s3cr3t"}}', '{"job": "pay", "args": ["s3cr3t"', "iban=s3cr3t", '["s3cr3t"]',
        '"s3cr3t"', json.dumps({"job": "pay", "kwargs": {"x": ["s3cr3t" * 5000]}}),
    ],
)  # fmt: skip
def test_an_envelope_is_judged_as_its_job_is(text: str) -> None:
    known, unknown = judge(offer(["iban"], {"x-positional": ["iban"]})), judge()

    assert SECRET not in known.text(text)
    assert SECRET not in unknown.text(text)


def test_an_envelope_shows_what_is_no_secret() -> None:
    shown = judge(offer(["iban"])).text('{"job": "pay", "id": "a", "priority": 3, "kwargs": {"n": 1, "iban": 2}}')

    assert json.loads(shown) == {"job": "pay", "id": "a", "priority": 3, "kwargs": {"n": 1, "iban": HIDDEN}}


def test_a_payload_that_is_no_jobs_is_no_way_around() -> None:
    shown = judge(offer()).job(job(result={"token": SECRET}, payload='{"args": 3, "kwargs": {"password": "s3cr3t"}}'))

    assert SECRET not in f"{shown.result} {shown.payload}"


def test_defaults_are_hidden_as_values_are() -> None:
    schema = {
        "type": "object", "$defs": {"To": {"properties": {"api_key": {"type": "string", "default": SECRET}}}},
        "properties": {
            "pin": {"type": "string", "default": SECRET}, "to": {"$ref": "#/$defs/To", "default": {"token": SECRET}},
            "codes": {"anyOf": [{"type": "string", "examples": [SECRET]}]}, "n": {"default": 3},
        },
    }  # fmt: skip

    shown = without_secrets(offer(["pin", "codes"], schema), Redaction()).parameters

    assert SECRET not in json.dumps(shown)
    assert shown["properties"]["n"] == {"default": 3}
    assert SECRET not in json.dumps(without_secrets(offer({}, schema), Redaction()).parameters)
