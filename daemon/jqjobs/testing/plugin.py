"""The pytest plugin: the fixtures `jq`, and `jq_app` to say which app.

    # pyproject.toml: [tool.pytest.ini_options] jq_app = "shop.app:app"        or a fixture `jq_app` of your own
    def test_signing_up(jq):
        sign_up("ann@example.com")
        jq.assert_enqueued(send_welcome, 42)

Found by pytest through an entry point, so importing this must cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jqjobs.api.app import App
    from jqjobs.testing.memory import InMemory


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the setting ``jq_app``."""
    parser.addini("jq_app", "the app whose jobs the fixture jq holds in memory, such as shop.app:app")


@pytest.fixture(scope="session")
def jq_app(request: pytest.FixtureRequest) -> App:
    """The app under test: what the setting ``jq_app`` names. Its job modules are loaded."""
    from jqjobs.api.app import App
    from jqjobs.base.imports import load_app

    reference = str(request.config.getini("jq_app") or "")
    if not reference:
        pytest.fail("which app? set jq_app = 'package.module:app' in the pytest settings, or write a fixture jq_app")
    app = load_app(reference)
    if not isinstance(app, App):
        pytest.fail(f"jq_app {reference!r} is a {type(app).__name__}, not a jqjobs.App")
    return app.load()


@pytest.fixture
def jq(jq_app: App) -> Iterator[InMemory]:
    """The jobs of the app, held in memory during the test; see `jqjobs.testing.InMemory`."""
    from jqjobs.testing.memory import in_memory

    with in_memory(jq_app) as jobs:
        yield jobs
