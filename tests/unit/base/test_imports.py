"""Finding an app by its reference and job modules by pattern."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.base.imports import import_all, load_app, require_module
from jqjobs.errors import ConfigError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package tree on the Python path, forgotten afterwards."""
    for name in ("shop_x", "shop_x/mail", "shop_x/orders", "shop_x/orders/deep"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for name in ("mail/jobs", "orders/jobs", "orders/models", "orders/deep/jobs"):
        (tmp_path / "shop_x" / f"{name}.py").write_text(f"name = {name!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path / "shop_x"
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("shop_x.mail.jobs", ["mail/jobs"]),
        ("shop_x.*.jobs", ["mail/jobs", "orders/jobs"]),
        ("shop_x.o*.jobs", ["orders/jobs"]),
        ("shop_x.*.*.jobs", ["orders/deep/jobs"]),
        ("shop_x.orders.*", ["orders/deep", "orders/jobs", "orders/models"]),
    ],
)
def test_a_star_stands_for_one_part_of_a_name(package: Path, pattern: str, found: list[str]) -> None:
    modules = import_all([pattern])
    assert [module.__name__ for module in modules] == ["shop_x." + name.replace("/", ".") for name in found]


@pytest.mark.parametrize("pattern", ["shop_x.*.nothing", "shop_x.mail.jobs.*", "shop_x.none*.jobs"])
def test_a_pattern_that_matches_nothing_is_an_error(package: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match="no module matches"):
        import_all([pattern])


def test_a_pattern_cannot_begin_with_a_star() -> None:
    with pytest.raises(ConfigError, match="name of a package"):
        import_all(["*.jobs"])


def test_what_a_module_raises_comes_through(package: Path) -> None:
    (package / "mail" / "jobs.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        import_all(["shop_x.*.jobs"])


def test_an_app_is_found_by_module_and_attribute(package: Path) -> None:
    (package / "app.py").write_text("class Site:\n    app = 'the app'\n")
    assert load_app("shop_x.app:Site.app") == "the app"


@pytest.mark.parametrize("reference", ["", "shop_x", "shop_x:", ":app", "shop_x:nothing", "shop_x:__name__.nothing"])
def test_a_wrong_reference_is_a_configuration_error(package: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match="--app"):
        load_app(reference)


@pytest.mark.parametrize("place", ["", "src"], ids=["the directory", "PYTHONPATH below it"])
def test_a_module_that_is_nowhere_is_refused_with_the_one_that_is_meant_and_none_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", place)
    (tmp_path / place / "k_orders").mkdir(parents=True)
    (tmp_path / place / "k_orders" / "__init__.py").write_text("raise RuntimeError('the daemon imports no app')")
    require_module("k_orders.jobs:app", str(tmp_path))
    require_module("importlib.nowhere:app", str(tmp_path))  # nobody looks inside of what there is
    with pytest.raises(ConfigError, match="there is no module 'k_order'") as refused:
        require_module("k_order.jobs:app", str(tmp_path))
    assert "did you mean 'k_orders'? it was looked for in " in (refused.value.hint or "")


def test_a_missing_module_comes_through_as_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        load_app("nowhere_at_all:app")
