"""Names, ids and options: what is accepted, and what is refused by name."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from jqjobs.errors import InvalidName, InvalidOption
from jqjobs.jobs.options import NO_OPTIONS, Options, check_integer
from jqjobs.jobs.records import check_name, new_id, new_id_stem, new_ids, parse_ref


@pytest.mark.parametrize("name", ["a", "0", "send_welcome", "shop.mail-v2", "A" * 128])
def test_good_names(name: str) -> None:
    assert check_name(name, "queue") == name


@pytest.mark.parametrize(
    "name",
    ["", "_a", ".a", "-a", "a b", "a\n", "a:b", "a/b", "a{b}", "é", "a" * 129, "a\0", "\x1b[31m", None, 7, b"a"],
    ids=repr,
)
def test_bad_names_are_refused_by_name(name: object) -> None:
    with pytest.raises(InvalidName, match="queue"):
        check_name(name, "queue")  # type: ignore[arg-type]


def test_new_ids_are_valid_names_and_never_the_same() -> None:
    ids = {new_id() for _ in range(500)} | set(new_ids(500))
    assert len(ids) == 1000
    assert all(check_name(job_id, "id") for job_id in ids)


def test_new_ids_have_eighty_random_bits_in_the_fewest_bytes_of_a_sorted_set() -> None:
    sampled = Counter("".join(new_ids(20_000)))
    all_of_them = sum(sampled.values())
    bits = -math.log2(sum((count / all_of_them) ** 2 for count in sampled.values()))

    assert bits * len(new_id()) > 80
    assert {len(new_id()), *map(len, new_ids(3)), len(new_id_stem() + "ff")} == {
        14
    }  # with 15 Redis takes 16 bytes more


@pytest.mark.parametrize(("text", "ref"), [("q/i", ("q", "i")), ("i", (None, "i"))])
def test_a_reference_is_an_id_with_or_without_its_queue(text: str, ref: tuple[str | None, str]) -> None:
    assert parse_ref(text) == ref


@pytest.mark.parametrize("text", ["", "/i", "q/", "a/b/c", "q i", "q/i\n"])
def test_other_references_are_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_ref(text)


@pytest.mark.parametrize("value", [0, 5, -6, 2.0, "1", True, 10**30])
def test_an_integer_must_be_one_and_in_its_range(value: object) -> None:
    if value == 5:
        check_integer(5, "number", range(1, 6))
        return
    with pytest.raises(InvalidOption, match="number"):
        check_integer(value, "number", range(1, 6))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 4096}, {"priority": -4097}, {"priority": 1.5}, {"priority": True}, {"max_attempts": 0},
        {"max_crashes": 0}, {"max_crashes": -1}, {"key": ""}, {"key": "k" * 257}, {"key": "é" * 129},
        {"tags": "urgent"}, {"tags": ["a b"]}, {"tags": [""]}, {"tags": ["é" * 33]}, {"tags": ["\ud800"]},
        {"tags": [7]}, {"tags": [str(n) for n in range(17)]},
        {"delay": 1, "due": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
    ids=lambda options: str(options)[:30],
)  # fmt: skip
def test_an_option_out_of_range_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        Options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"queue": "a b"}, {"id": "a/b"}, {"id": ""}], ids=str)
def test_a_bad_name_in_options_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidName):
        Options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "due"),
    [
        (NO_OPTIONS, ""),
        (Options(delay=0), ""),
        (Options(delay=-5), ""),
        (Options(delay="1.5s"), "+1500"),
        (Options(due=datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)), "1500"),
        (Options(due=datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))), "0"),
        (Options(due=datetime(1, 1, 1, tzinfo=UTC)), "0"),
        (Options(due=datetime.fromtimestamp(1_700_000_000)), "1700000000000"),
    ],
)
def test_when_a_job_is_due(options: Options, due: str) -> None:
    assert options.due_text() == due


def test_only_what_was_overridden_is_stored() -> None:
    assert NO_OPTIONS.fields() == ()
    options = Options(max_attempts=5, max_crashes=2, timeout="2m", keep="1h", expires=90)
    assert options.fields() == (
        "max_attempts", 5, "max_crashes", 2, "timeout", 120_000, "keep", 3_600_000, "expires", "+90000",
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay": "soon"}, {"timeout": float("nan")}, {"expires": 10**12}, {"timeout": 0}, {"keep": -1},
        {"due": "tomorrow"}, {"key": 5}, {"key": "\udcff"}, {"coalesce": "always"}, {"coalesce": 1}, {"replace": 1},
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Options(**wrong).due_text()
