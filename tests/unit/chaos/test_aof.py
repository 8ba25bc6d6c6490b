"""From the bytes of a log to transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.aof import BrokenLog, Command, commands, read_log, transactions


def packed(*all_commands: Command) -> bytes:
    lines = []
    for command in all_commands:
        lines.append(f"*{len(command)}\r\n")
        lines += [f"${len(word.encode('latin-1'))}\r\n{word}\r\n" for word in command]
    return "".join(lines).encode("latin-1")


def test_a_script_is_one_transaction_and_so_is_a_plain_command() -> None:
    log = packed(("SELECT", "0"), ("set", "a", "1"), ("MULTI",), ("SET", "b", "2"), ("DEL", "a"), ("EXEC",))
    assert list(transactions(commands(log))) == [[("SET", "a", "1")], [("SET", "b", "2"), ("DEL", "a")]]


def test_any_bytes_are_read_as_they_are() -> None:
    value = "\r\n*1\r\n\x00\xff"
    assert list(commands(packed(("SET", "a", value)))) == [("SET", "a", value)]


def test_annotations_are_passed_over() -> None:
    assert list(commands(b"#TS:1767225600\r\n" + packed(("DEL", "a")))) == [("DEL", "a")]


@pytest.mark.parametrize("cut", range(1, 20))
def test_what_a_crash_cut_off_was_not_done(cut: int) -> None:
    log = packed(("DEL", "a")) + packed(("DEL", "b"))
    assert list(commands(log[:-cut])) == [("DEL", "a")]


def test_a_transaction_without_its_end_was_not_done() -> None:
    assert list(transactions([("DEL", "a"), ("MULTI",), ("DEL", "b")])) == [[("DEL", "a")]]


def test_what_is_no_log_is_an_error_that_says_where() -> None:
    with pytest.raises(BrokenLog, match="at byte 20") as caught:
        list(commands(packed(("DEL", "a")) + b"REDIS0011"))
    assert caught.value.offset == 20


def test_another_database_is_an_error() -> None:
    with pytest.raises(BrokenLog, match="database 1"):
        list(transactions([("SELECT", "1")]))


def test_the_files_of_a_log_are_read_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    parts = {"l.2.incr.aof": "c", "l.1.base.aof": "a", "l.1.incr.aof": "b", "l.0.hist.aof": "never"}
    for name, word in parts.items():
        (tmp_path / name).write_bytes(packed(("DEL", word)))
    (tmp_path / "l.manifest").write_text(
        "file l.0.hist.aof seq 0 type h\nfile l.2.incr.aof seq 2 type i\n"
        "file l.1.base.aof seq 1 type b\nfile l.1.incr.aof seq 1 type i\n"
    )
    assert list(read_log(tmp_path)) == [[("DEL", "a")], [("DEL", "b")], [("DEL", "c")]]
