"""Templates and the files that pages load."""

from __future__ import annotations

import gzip
import json
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from jqjobs.web.assets import assets

WEB = Path(str(files("jqjobs.web")))
TEMPLATES = sorted(WEB.glob("templates/*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_switches_no_escaping_off_and_has_no_code_of_its_own(template: Path) -> None:
    text = template.read_text()

    assert not re.search(r"\|\s*safe|autoescape|Markup", text)
    assert not re.search(r"\son\w+=|\sstyle=|javascript:|<style", text)
    assert len(re.findall(r"<script", text)) == len(re.findall(r"<script defer src=", text))
    assert "//" not in re.sub(r"\{#.*?#\}", "", text)


def test_vendored_files_are_what_the_manifest_says() -> None:
    manifest = json.loads((WEB / "static/manifest.json").read_text())

    assert manifest
    for name, told in manifest.items():
        assert sha256((WEB / "static" / name).read_bytes()).hexdigest() == told["sha256"]
        assert {"package", "version", "license", "source"} <= told.keys()


def test_what_a_first_page_loads_is_small() -> None:
    assert sum(len(gzip.compress(asset.body)) for asset in assets().values()) < 20_000
