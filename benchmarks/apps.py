"""Apps that are written for one measure: one of many modules, one of many queues."""

from __future__ import annotations

from pathlib import Path

_FILES_PER_PACKAGE = 40
_HEAD = "from jqjobs import App\n\napp = App()\n"


def write_large_app(directory: Path, files: int) -> None:
    """Write `large:app`, which imports so many modules."""
    directory.mkdir()
    names = []
    for index in range(files):
        package = directory / f"part{index // _FILES_PER_PACKAGE}"
        package.mkdir(exist_ok=True)
        (package / f"module{index}.py").write_text(f"NUMBER = {index}\n")
        names.append(f"{package.name}.module{index}")
    imports = "".join(f"import {name}\n" for name in names)
    (directory / "large.py").write_text(f"{imports}{_HEAD}{_job('noop', 'default')}")


def write_wide_app(directory: Path, queues: int) -> None:
    """Write `wide:app`, whose jobs go to so many queues."""
    directory.mkdir()
    (directory / "wide.py").write_text(_HEAD + "".join(_job(f"job{index}", f"queue{index}") for index in range(queues)))


def _job(name: str, queue: str) -> str:
    return f"\n\n@app.job(queue={queue!r})\ndef {name}() -> None:\n    pass\n"
