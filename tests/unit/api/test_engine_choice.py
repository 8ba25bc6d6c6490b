"""Which engine an app's calls go to, by what JQ_ENGINE says."""

from __future__ import annotations

import pytest

from jqjobs import App, ConfigError
from jqjobs.api.engine_choice import choose_engine
from jqjobs.inprocess.engines import NullEngine, SyncEngine


@pytest.mark.parametrize("name", [None, "redis"])
def test_without_a_word_it_is_redis(app: App, name: str | None) -> None:
    assert choose_engine(name, app, app.client) is app.client


@pytest.mark.parametrize(("name", "kind"), [("sync", SyncEngine), ("null", NullEngine)])
def test_the_others_are_made_for_the_app(app: App, name: str, kind: type) -> None:
    engine = choose_engine(name, app, app.client)
    assert (type(engine), engine.app) == (kind, app)  # type: ignore[attr-defined]


def test_an_engine_that_is_not_known_is_refused_with_those_that_are(app: App) -> None:
    with pytest.raises(ConfigError, match="'rabbit' is none of redis, sync, null"):
        choose_engine("rabbit", app, app.client)
