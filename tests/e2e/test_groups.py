"""Tests that share what takes long to make are of one group, so that one process makes it."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("groups")
def test_who_deals_out_the_tests_sees_the_group_of_each(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", False):
        pytest.skip("needs pytest -n 2 --dist loadgroup")
    assert request.node.nodeid.endswith("@groups")
