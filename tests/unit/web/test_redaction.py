"""What nobody is to see is hidden, at any depth, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.web.redaction import HIDDEN, Redaction

SECRET = "s3cr3t"
_NAMES = st.sampled_from(["password", "API_KEY", "user_password_2", "Authorization", "card_no", "x_secret_y", "token"])
_PLAIN = st.none() | st.booleans() | st.integers() | st.text(alphabet="abc")
_TREES = st.recursive(
    _PLAIN | st.dictionaries(_NAMES, st.just(SECRET) | st.just([SECRET]) | st.just({"a": SECRET}), max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="xyz"), inner, max_size=3),
)


@given(_TREES)
def test_no_secret_is_left_at_any_depth(tree: Any) -> None:
    shown = Redaction(["*card*"]).of(tree)

    assert SECRET not in json.dumps(shown)


@given(st.recursive(_PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="xyz"), inner)))
def test_what_is_no_secret_stays_as_it_is(tree: Any) -> None:
    assert Redaction().of(tree) == tree


@pytest.mark.parametrize(
    "name",
    [
        "apiKey", "X-Api-Key", "APIKEY", "user.apikey", "passwd", "dbPasswd", "Set-Cookie", "cookies", "aws_access_key",
        "privateKey", "credentials", "pwd", "auth", "Proxy-Authorization",
    ],
)  # fmt: skip
def test_a_name_is_hidden_however_it_is_put_together(name: str) -> None:
    assert Redaction().of({name: SECRET}) == {name: HIDDEN}


@pytest.mark.parametrize("name", ["author", "pwd_count", "keyboard", "monkey", "authors", "access"])
def test_a_name_that_only_sounds_alike_is_shown(name: str) -> None:
    assert not Redaction().hides(name)


def test_headers_in_pairs_are_no_way_around() -> None:
    assert Redaction().of([["Accept", "*"], ["Cookie", SECRET]]) == [["Accept", "*"], ["Cookie", HIDDEN]]


def test_a_function_of_the_user_decides_too_about_items_and_what_holds_others() -> None:
    def ask(name: str, value: Any) -> Any:
        return {"zip": value["zip"], "password": SECRET} if name == "home" else "****" if name == "ibans" else value

    shown = Redaction(ask=ask).of({"ibans": ["DE1", ["DE2"]], "home": {"zip": 1, "door": 2}, "n": [1], "password": "x"})

    assert shown == {"ibans": "****", "home": {"zip": 1, "password": HIDDEN}, "n": [1], "password": HIDDEN}
    assert Redaction(ask=lambda _, value: "****" if value == SECRET else value).of([[SECRET], {"a": [SECRET]}]) == [
        ["****"], {"a": ["****"]}
    ]  # fmt: skip


def test_what_a_function_of_the_user_cannot_judge_is_not_shown() -> None:
    shown = Redaction(ask=lambda _, value: object() if value == "" else value.upper()).of({"a": 2, "b": "x", "c": ""})

    assert (shown["a"], shown["b"], type(shown["c"])) == (HIDDEN, "X", str)
