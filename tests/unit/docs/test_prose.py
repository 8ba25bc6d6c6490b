"""How the pages read: sentences are short, words are explained where they first stand, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unit.docs.pages import DOCS, HOW_TO, ROOT, TUTORIAL, prose

#: The most words that a sentence of tutorial and how-tos may have on average.
MOST_WORDS = 20
#: Pages beside docs/.
AT_THE_TOP = [*sorted(ROOT.glob("*.md")), ROOT / "deploy" / "README.md", ROOT / "clients" / "README.md"]
#: Words of ours that a newcomer does not know: defined (*so*) or linked to the glossary where they first stand.
TERMS = ("held", "parked", "dead", "lease", "board", "fenced", "suspect", "envelope", "slot", "drain")


def sentences(path: Path) -> list[str]:
    """The sentences of a page: paragraphs and list items, without code, headings and tables."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose(path))
    lines = ["\n" if line.startswith(("#", "|", "-", "1.")) else "" for line in text.splitlines()]
    kept = [
        start + ("" if line.startswith(("#", "|")) else line)
        for start, line in zip(lines, text.splitlines(), strict=True)
    ]
    paragraphs = re.split(r"\n\s*\n|\n(?=- |\d\. )", "\n".join(kept))
    found = [part for paragraph in paragraphs for part in re.split(r"(?<=[.!?:;])\**\s+", paragraph.strip())]
    return [each for each in found if len(re.findall(r"\w+", each)) > 2]


def average_words(path: Path) -> float:
    said = sentences(path)
    return sum(len(each.split()) for each in said) / len(said)


@pytest.mark.parametrize("path", [TUTORIAL, *HOW_TO], ids=lambda path: path.stem)
def test_sentences_are_short(path: Path) -> None:
    assert average_words(path) <= MOST_WORDS


@pytest.mark.parametrize("path", [ROOT / "README.md", TUTORIAL, *HOW_TO], ids=lambda path: path.stem)
def test_no_sentence_has_two_semicolons(path: Path) -> None:
    whole = re.split(r"(?<=[.!?])\s+|\n\s*\n|\n[-|]", prose(path))
    assert [each for each in whole if each.count(";") > 1] == []


@pytest.mark.parametrize("path", [TUTORIAL, *HOW_TO], ids=lambda path: path.stem)
def test_a_word_of_ours_is_explained_where_it_first_stands(path: Path) -> None:
    text = re.sub(r"`[^`]*`|^#.*$", "", prose(path), flags=re.MULTILINE)
    for term in TERMS:
        if found := re.search(rf"\S*\b{term}s?\b\S*", text):
            assert "*" in found[0] or "glossary.md" in found[0], f"{term}: {found[0]}"


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", [*AT_THE_TOP, *DOCS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_project_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        if "reference/" in file and not (ROOT / "docs" / "reference").exists():
            continue
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
