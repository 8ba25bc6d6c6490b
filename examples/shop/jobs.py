"""Jobs that work on text files: compress, check, preview, report.

A job can run twice (a worker may be killed after the effect and before its report). Each of these is safe
to repeat: it writes a file of its own and moves it into place as its last step.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import re
from collections import Counter
from pathlib import Path

from jqjobs import Discard, Retry, current_job
from shop.app import app

_TOP_WORDS = 10


@app.job(queue="files", max_attempts=5, timeout="2m")
def compress_file(path: str, level: int = 6) -> int:
    """Write `path`.gz and return its size in bytes."""
    packed = gzip.compress(_content(path), compresslevel=level, mtime=0)
    _put(Path(f"{path}.gz"), packed)
    return len(packed)


@app.job(queue="files", priority=10, timeout="2m")
def checksum(path: str) -> str:
    """Write `path`.sha256, as sha256sum does, and return the digest."""
    digest = hashlib.sha256(_content(path)).hexdigest()
    _put(Path(f"{path}.sha256"), f"{digest}  {Path(path).name}\n".encode())
    return digest


@app.job(queue="files", timeout="30s")
async def preview(path: str, words: int = 20) -> None:
    """Write the first words of a file to `path`.preview."""
    content = await asyncio.to_thread(_content, path)
    first = content.split(maxsplit=words)[:words]
    await asyncio.to_thread(_put, Path(f"{path}.preview"), b" ".join(first) + b"\n")


@app.job(queue="reports", max_attempts=5, timeout="5m")
def word_report(paths: list[str], target: str) -> int:
    """Count the words of some files, write a report to `target`, return the number of words."""
    counts: Counter[str] = Counter()
    for path in paths:
        counts.update(re.findall(r"[a-z]+", _content(path).decode().lower()))
    lines = [f"{counts.total()} words, {len(counts)} different, in {len(paths)} files", ""]
    lines += [f"{count:>8}  {word}" for word, count in counts.most_common(_TOP_WORDS)]
    _put(Path(target), "\n".join(lines).encode() + b"\n")
    return counts.total()


def _content(path: str) -> bytes:
    """Read a file; an absent one may still come, a directory never becomes a file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise Retry(f"{path} is not there yet", delay="2s") from None
    except IsADirectoryError:
        raise Discard(f"{path} is a directory") from None


def _put(target: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees half of it, whoever else writes it at the same time."""
    job = current_job()
    owner = f"{job.id}-{job.attempt}" if job else f"pid-{os.getpid()}"
    part = target.with_name(f"{target.name}.{owner}.part")
    part.write_bytes(content)
    part.replace(target)
