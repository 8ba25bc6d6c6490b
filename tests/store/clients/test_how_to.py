"""The programs of docs/how-to/other-languages.md, run as they stand beside a copy of the client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from servers import Server, require_program
from store.clients.test_clients import CLIENTS
from store.envelope_vectors import ANSWERS, JOBS

PAGE = (CLIENTS.parent / "docs" / "how-to" / "other-languages.md").read_text("utf-8")
PROGRAMS = dict(re.findall(r'^```\w+ title="([\w.]+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
#: Suffix → what runs the file.
RUN = {"mjs": ["node"], "php": ["php"], "rb": ["ruby"], "go": ["go", "run"]}
#: What each program leaves in Redis: queue and number of envelopes.
LEAVES = {
    "signup.mjs": ("emails", 1), "signup.php": ("emails", 1), "signup.rb": ("emails", 1), "signup.go": ("emails", 1),
    "many.mjs": ("emails", 3), "careful.mjs": ("payments", 1), "answer.rb": ("videos", 2), "traced.mjs": ("emails", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_a_program_of_the_page_does_what_it_says(name: str, any_server: Server, tmp_path: Path) -> None:
    suffix = name.partition(".")[2]
    words = [require_program(RUN[suffix][0]), *RUN[suffix][1:], name]
    (tmp_path / name).write_text(PROGRAMS[name])
    folder = tmp_path / "jqjobs" if suffix == "go" else tmp_path
    folder.mkdir(exist_ok=True)
    shutil.copy(CLIENTS / f"jqjobs.{suffix}", folder)
    (tmp_path / "go.mod").write_text("module example.org/shop\n\ngo 1.19\n")
    environment = {**os.environ, "JQ_REDIS_URL": any_server.url}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    queue, count = LEAVES[name]
    assert any_server.call("LLEN", f"jq:{{{queue}}}:inbox") == count


def test_the_page_has_no_other_program_and_counts_the_vectors() -> None:
    assert PROGRAMS.keys() == LEAVES.keys()
    assert f"{len(JOBS) + len(ANSWERS)} vectors" in PAGE
