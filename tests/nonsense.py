"""What people and programs give to an option that wants something else."""

from __future__ import annotations

NONSENSE = (
    "", " ", "-", "--", "-1", "0", "1.5", "9" * 30, "9" * 5000, "nan", "inf", "-inf", "1e999", "²", "٣", "0x10", "1..0",
    "8..", "0001-01-01", "9999-12-31T23:59:59-23:59", "2027-13-45", "now", "in 9000 years", "in 99999999999 days",
    "9999999d", "NaNms", "{", "[" * 3000, "null", '"\\ud800"', "[1,2", "1e400", "[1e400]", "[NaN]", "a/b/c", "..", "/",
    "/dev/null/x", "a:b", "*", "x" * 3000, "💥", "\udcff", "é\x1b[31m", "a b", "a\nb", "%s{}{wanted}", "MTIz", "====",
)  # fmt: skip
