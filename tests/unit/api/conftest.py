"""An app that connects to nothing."""

from __future__ import annotations

import pytest

from jqjobs import App


@pytest.fixture
def app() -> App:
    return App(redis_url="redis://127.0.0.1:1/0")  # where nobody listens: whoever connects fails
