"""Which errors are the same one."""

from __future__ import annotations

import json

import pytest

from jqjobs.jobs.fingerprints import class_path, fingerprint, without_values


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("no such user: 42", "no such user: #"),
        ("order #17 of cus_N3kd92 costs 12.50", "order # of # costs #"),
        ("ids [1, 22, 333] at 2024-01-02 03:04:05", "ids [#] at #"),
        ("object at 0x7f00ab is deadbeefcafe", "object at # is #"),
        ("no row abcdefab-aaaa-bbbb-cccc-abcdefabcdef", "no row #"),
        ("ann.lee+x@mail.example.org bounced", "# bounced"),
        ("""'a b' is not in "x", `y`, 'it's' """, "# is not in # "),
        ("can't find it, and won't look", "can't find it, and won't look"),
        ("a facade added to the cafe", "a facade added to the cafe"),
    ],
)
def test_values_in_a_message_do_not_tell_errors_apart(message: str, words: str) -> None:
    assert without_values(message) == words


def test_job_class_and_words_tell_errors_apart() -> None:
    same = {fingerprint("a", "ValueError", f"ValueError: user {n} is gone") for n in range(20)}
    assert len(same) == 1
    others = {
        fingerprint(*told) for told in (("b", "ValueError", "x"), ("a", "KeyError", "x"), ("a", "ValueError", "y"))
    }
    assert len(others | same) == 4
    assert all(len(digest) == 12 and int(digest, 16) >= 0 for digest in others)


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert fingerprint("send", "shop.errors.Refused", "Refused: card 4711") == "091861439732"


def test_a_class_is_named_with_its_module_and_a_built_in_one_without() -> None:
    class Odd(Exception):
        pass

    assert class_path(KeyError("x")) == "KeyError"
    assert class_path(json.JSONDecodeError("m", "d", 0)) == "json.decoder.JSONDecodeError"
    assert class_path(Odd()) == f"{__name__}.{Odd.__qualname__}"


def test_a_class_that_lies_about_itself_is_named_all_the_same() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            return 1 / 0

    odd = Meta("Odd", (Exception,), {"__module__": "shop"})
    assert class_path(type.__call__(odd)) == "shop.Odd"
