"""Amounts of memory as people write them."""

from __future__ import annotations

import pytest

from jqjobs.base.sizes import format_size, size_bytes
from jqjobs.errors import InvalidOption


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0), (1, 1), (300_000_000, 300_000_000), ("0", 0), ("512", 512), ("512B", 512), ("300MB", 300_000_000),
        ("300MiB", 300 * 2**20), ("300M", 300_000_000), ("300Mi", 300 * 2**20), ("1kB", 1000), ("1KiB", 1024),
        ("1.5GiB", 3 * 2**29), ("1.5 GB", 1_500_000_000), ("  2 tib ", 2 * 2**40), ("3g", 3_000_000_000),
        (2**53, 2**53), ("8192TiB", 2**53), ("0.0000001kB", 0), ("1tb", 10**12),
    ],
)  # fmt: skip
def test_an_amount_is_a_number_with_or_without_a_unit(text: int | str, size: int) -> None:
    found = size_bytes(text)
    assert found == size
    assert type(found) is int


@pytest.mark.parametrize(
    "text",
    ["", " ", "MB", "300XB", "300MBs", "1,5GB", "1.GB", ".5GB", "1e3", "0x10", "-1MB", "+1MB", "1iB", "nan", "inf",
     "٣MB", "1 M B", "1_000", "20%", "5\n5", True, False, None, 1.5, [], b"1MB"],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused_by_name(text: object) -> None:
    with pytest.raises(InvalidOption, match=r"memory .* is not an amount of memory; write .* '300MB'"):
        size_bytes(text, "memory")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, 2**53 + 1, "8193TiB", "9" * 400 + "GB", 10**400])
def test_what_no_machine_has_is_out_of_range(value: int | str) -> None:
    with pytest.raises(InvalidOption, match=r"reserve .* is out of range"):
        size_bytes(value, "reserve")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3449, "3.4 kB"), (99_949, "99.9 kB"), (100_000, "100 kB"),
        (300_000_000, "300 MB"), (2**30, "1.1 GB"), (24_000_000_000, "24.0 GB"), (5 * 10**12, "5.0 TB"),
        (2**53, "9007.2 TB"), (999_999, "1.0 MB"), (99_960, "100 kB"), (999_999_999_999, "1.0 TB"), (999.7, "1.0 kB"),
    ],
)  # fmt: skip
def test_people_are_shown_three_digits_or_so(size: float, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("size", [0, 999, 1000, 12_345, 999_000, 1_500_000_000])
def test_what_people_are_shown_they_may_write(size: int) -> None:
    assert size_bytes(format_size(size)) == pytest.approx(size, rel=0.05)
