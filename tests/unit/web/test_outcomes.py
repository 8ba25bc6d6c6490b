"""What people are told of an error: what to do about that one."""

from __future__ import annotations

from jqjobs.errors import StoreError
from jqjobs.store.error_replies import error_of
from jqjobs.web.outcomes import error_words, status_of


def told(reply: str) -> str:
    error = error_of(StoreError(reply))
    return str(error_words(status_of(error), error)["hint"])


def test_a_page_says_of_a_refusal_what_to_do_and_nothing_of_keys() -> None:
    assert told("NOAUTH Authentication required.").startswith("This Redis wants a password")
    assert "that key" not in told("NOAUTH Authentication required.")
    assert "that key" in told("WRONGTYPE Operation against a key holding the wrong kind of value")
