"""Which partitions a queue has: what of that is written in Redis, where a job goes, and how their number changes."""

from __future__ import annotations

import pytest

from jqjobs.errors import InvalidOption
from jqjobs.jobs.partitions import MOST_PLACES, Partitions, spread_word, with_partitions

CHANGED = Partitions("q", range(7, 9), (range(4, 7), range(4)), is_home_before=True)


@pytest.mark.parametrize(("known", "text"), [
    (Partitions("q", range(2)), "0+2 ."), (Partitions("q", range(2), (), is_home_before=False), "0+2"),
    (CHANGED, "7+2 4+3 0+4 ."),
])  # fmt: skip
def test_what_is_written_is_read(known: Partitions, text: str) -> None:
    assert known.text == text
    assert Partitions.parse("q", text) == known


@pytest.mark.parametrize("text", ["", ".", "4", "0+0", "+2", "0+2 x", "0+2  .", "-1+2", "0+2\n", "\u0660+2"])
def test_what_is_damaged_is_as_good_as_none(text: str) -> None:
    assert Partitions.parse("q", text) is None


def test_another_number_means_new_ones_and_what_has_a_place_keeps_it() -> None:
    first = with_partitions("q", None, 4)
    assert first.names == ["q~0", "q~1", "q~2", "q~3"]
    assert with_partitions("q", first, 4) is first
    more = with_partitions("q", first, 6)
    assert (more.names[0], more.names[-1]) == ("q~4", "q~9")
    assert more.former == ["q~0", "q~1", "q~2", "q~3", "q"]
    assert more.places == ["q", *more.names, *first.names]
    assert with_partitions("q", more, 4).names == ["q~10", "q~11", "q~12", "q~13"], "not those of before again"


def test_a_word_chooses_the_same_place_as_long_as_partitions_are_the_same() -> None:
    chosen = {CHANGED.place(f"word {number}") for number in range(50)}
    assert chosen == {"q~7", "q~8"}
    assert CHANGED.place("a") == CHANGED.place("a")
    before = with_partitions("q", with_partitions("q", None, 4), 3)
    former = list(with_partitions("q", before, 2).former_places("a"))
    assert former == [before.place("a"), with_partitions("q", None, 4).place("a"), "q"], "the latest first"


def test_what_is_empty_is_forgotten_but_only_all_of_one_number_together() -> None:
    assert CHANGED.without(["q~4", "q~5"]) == CHANGED
    assert CHANGED.without(["q~4", "q~5", "q~6", "q"]).text == "7+2 0+4"


def test_no_more_places_than_workers_can_serve() -> None:
    known = with_partitions("q", None, 16)
    with pytest.raises(InvalidOption, match=f"33 places, at most {MOST_PLACES}"):
        with_partitions("q", with_partitions("q", known, 15), 1)


def test_a_group_goes_before_an_id_and_not_with_a_key() -> None:
    assert [spread_word("i", "", ""), spread_word("i", "k", ""), spread_word("i", "", "g")] == ["i", "k", "g"]
    with pytest.raises(InvalidOption, match="group does not go with key"):
        spread_word("i", "k", "g")
