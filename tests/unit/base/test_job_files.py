"""--job-log and --error-log: which lines they have; no line is lost or torn by those who share or move a file."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jqjobs.base import log
from jqjobs.base.job_files import JobFile, write_jobs
from jqjobs.errors import ConfigError


@pytest.fixture(autouse=True)
def configured(own_log: None) -> Iterator[None]:
    log.configure("worker:7", level="error")
    yield
    for each in (log.JOBS, log.SUCCESSES_ASIDE):
        for handler in each.handlers[:]:
            each.removeHandler(handler)
            handler.close()
        each.setLevel(logging.NOTSET)


def say_some(times: int = 1) -> None:
    for _ in range(times):
        log.event("job.done", logger=log.SUCCESSES_ASIDE, job="q/1")
        log.event("job.done", logger=log.JOBS, job="q/2")
        log.event("job.interrupted", level=log.WARNING, logger=log.JOBS, job="q/3")
        log.event("job.failed", level=log.WARNING, logger=log.JOBS, job="q/4", traceback="Traceback …\nValueError: no")
        log.event("worker.ended")


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_has_each_end_of_a_job_and_the_other_failures_whatever_the_level_of_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_jobs("worker:7", form="json", job_log=str(tmp_path / "jobs"), error_log=str(tmp_path / "errors"))
    say_some()
    assert [line["job"] for line in lines(tmp_path / "jobs")] == ["q/1", "q/2", "q/3", "q/4"]
    [error] = lines(tmp_path / "errors")
    assert (error["event"], error["exception"]) == ("job.failed", "Traceback …\nValueError: no")
    assert capfd.readouterr().err == "", "the level of the log is error"


def test_they_are_text_where_the_log_is(tmp_path: Path) -> None:
    write_jobs("worker:7", form="text", job_log="", error_log=str(tmp_path / "errors"))
    say_some()
    said = (tmp_path / "errors").read_text()
    assert said.endswith("WARNING worker:7 job.failed job=q/4\n    Traceback …\n    ValueError: no\n")


def test_a_file_that_was_moved_away_is_made_anew_with_the_next_line(tmp_path: Path) -> None:
    path, moved = tmp_path / "jobs", tmp_path / "jobs.1"
    write_jobs("worker:7", form="json", job_log=str(path), error_log="")
    say_some()
    path.rename(moved)
    say_some()
    assert (len(lines(moved)), len(lines(path))) == (4, 4)
    path.unlink()
    say_some()
    os.truncate(path, 0)  # as copytruncate does it
    say_some(2)
    assert len(lines(path)) == 8


def test_half_a_line_of_who_was_killed_is_a_line_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_text('{"event": "job.do')
    write_jobs("worker:7", form="json", job_log=str(path), error_log="")
    say_some()
    half, *rest = path.read_text().splitlines()
    assert half == '{"event": "job.do'
    assert len([json.loads(line) for line in rest]) == 4


def write_many(path: Path, nth: int) -> None:
    file = JobFile(str(path), f"worker:{nth}", "json")
    for _ in range(200):
        record = logging.LogRecord("jqjobs.job", logging.INFO, "", 0, "job.failed", (), None)
        record.jq_fields, record.jq_traceback = {"error": "x" * 500}, "line\n" * 4000
        file.handle(record)


def test_lines_of_several_processes_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "errors"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_many, args=(path, nth)) for nth in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(line["who"] for line in lines(path)) == sorted(
        f"worker:{nth}" for nth in range(3) for _ in range(200)
    )


def test_what_cannot_be_written_is_counted_and_said_later(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    write_jobs("worker:7", form="json", job_log=str(place / "jobs"), error_log="")
    (place / "jobs").unlink()
    place.rmdir()
    say_some()
    place.mkdir()
    say_some()
    first, *rest = lines(place / "jobs")
    assert (first["event"], first["lines"], len(rest)) == ("log.lost", 4, 4)


def test_a_place_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_jobs("jqd:1", form="json", job_log=str(tmp_path / "nowhere" / "jobs"), error_log="")
