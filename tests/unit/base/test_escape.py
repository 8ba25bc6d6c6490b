"""What a person is shown can neither act on the terminal nor hide, and stays readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.base.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("send_welcome", "send_welcome"),
        ("", ""),
        ("Grüße, 世界 – 😀 ❤️", "Grüße, 世界 – 😀 ❤️"),
        (r"C:\new", r"C:\new"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("a\tb\0c\x7f", r"a\tb\x00c\x7f"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2066a\u2069\u200f\u061c", r"\u2066a\u2069\u200f\u061c"),
        ("zero\u200bwidth\ufeff\u2060\u00ad", r"zero\u200bwidth\ufeff\u2060\xad"),
        ("line\u2028and\u2029paragraph\x85", r"line\u2028and\u2029paragraph\x85"),
        ("\ud800 alone", r"\ud800 alone"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("filler\u3164\uffa0\u115f", r"filler\u3164\uffa0\u115f"),
        ("smuggled\U000e0100", r"smuggled\U000e0100"),
        ("no-break\u00a0space", r"no-break\xa0space"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("a\x1bcd", 7, r"a\x1bcd"),
        ("a\x1bcd", 6, r"a\x1b…"),
        ("a\x1bcd", 5, "a…"),
        ("\x1b" * 3, 0, ""),
    ],
)
def test_a_limit_cuts_between_characters_and_says_so(text: str, limit: int, shown: str) -> None:
    assert visible(text, limit=limit) == shown


def test_a_huge_text_is_not_walked_through_when_a_limit_is_given() -> None:
    assert visible("\x1b" * 50_000_000, limit=9) == r"\x1b\x1b…"


@given(st.text(st.characters()) | st.text("\x1b\u202e\ud800ab\n"), st.none() | st.integers(0, 12))
def test_nothing_raw_is_left_whatever_the_text(text: str, limit: int | None) -> None:
    shown = visible(text, limit=limit)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    assert shown.encode().decode() == shown
    assert visible(shown) == shown
    assert limit is None or len(shown) <= limit
