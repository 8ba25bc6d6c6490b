"""What docs/ says of names, keys, scripts and commands is what the code has. No Redis here; see tests/store."""

from __future__ import annotations

import re
import tomllib

from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_CRASHES, MOST_HUNG, Kind
from jqjobs.link.board_layout import Stage, Word
from unit.docs.pages import ARCHITECTURE, PACKAGE, PROTOCOL, RELIABILITY, ROOT, chapter, first_cells, section

FAULTS, _, CAMPAIGN = RELIABILITY.partition("## A campaign")
LUA = {path.stem: path.read_text("utf-8") for path in (PACKAGE / "store" / "lua").rglob("*.lua")}


def test_the_table_of_envelope_keys_is_complete() -> None:
    numbers = re.search(r"local NUMBERS = \{(.*?)\n\}", LUA["envelope"], re.DOTALL)
    others = re.search(r"local OTHERS = \{(.*?)\}", LUA["envelope"], re.DOTALL)
    assert numbers
    assert others
    accepted = set(re.findall(r"(\w+)(?:'\])? = [{']", numbers[1] + others[1]))  # "then" is a word of Lua

    assert first_cells(section(PROTOCOL, "The envelope")) == accepted


def test_the_table_of_reason_codes_is_complete() -> None:
    rules = ("decoded", "envelope", "outcomes_unrun", "begin_job")
    written = set(re.findall(r"'([a-z_]+): ", "".join(LUA[rule] for rule in rules)))

    assert first_cells(section(PROTOCOL, "What is refused")) == written


def test_the_table_of_refused_answers_is_complete() -> None:
    written = set(re.findall(r"'([a-z_]+): ", LUA["inbox_answer"]))
    cells = [line.split("|")[1].strip(" `") for line in section(PROTOCOL, "Waiting for somebody else").splitlines()
             if line.startswith("| `")]  # fmt: skip

    assert set(cells) == written | {"resolve", "token", "result", "error"}


def test_every_script_is_in_the_table_and_no_other() -> None:
    scripts = {name for name, text in LUA.items() if "\n-- KEYS[" in text}

    assert first_cells(section(PROTOCOL, "Scripts")) == scripts


def test_every_key_a_script_touches_is_in_the_table() -> None:
    parts = {part for text in LUA.values() for part in re.findall(r"q \.\. '([a-z]+)", text)}
    parts |= set(re.findall(r"drop\('([a-z]+)'", LUA["housekeep"]))
    documented = {
        found[1] for cell in first_cells(section(PROTOCOL, "Keys")) if (found := re.match(r"jq:\{q\}:([a-z]+)", cell))
    }

    assert parts == documented


def test_the_fields_of_meta_are_all_named() -> None:
    named = set(re.findall(r"`([a-z_]+)`", section(PROTOCOL, "Keys").partition("Fields of `meta`:")[2]))
    lua = "".join(LUA.values())
    used = {field for args in re.findall(r"q \.\. 'meta', ([^)]*)", lua) for field in re.findall(r"'([a-z_]+)'", args)}

    assert used - named == set()


def test_every_outcome_is_named() -> None:
    outcomes = re.search(r"\*\*Outcomes\.\*\* ([^.]*)\.", PROTOCOL)
    assert outcomes
    assert set(re.findall(r"\w+", outcomes[1])) == {kind.value for kind in Kind}


def test_the_permissions_cover_every_command() -> None:
    granted = re.search(r"ACL SETUSER jqjobs .*", PROTOCOL)
    assert granted
    in_scripts = {word for text in LUA.values() for word in re.findall(r"(?:call\(|forget\(key, )'([A-Z]+)'", text)}
    files = [path for room in ("store", "daemon", "worker") for path in (PACKAGE / room).rglob("*.py")]
    apart = ("wire.py", "async_wire.py", "error_replies.py")
    apart += ("greetings.py", "primary.py", "switches.py")  # what every user may say, and what sentinels are asked
    apart += ("slot_map.py", "cluster_nodes.py")  # CLUSTER SLOTS and NODES, which are granted as parts of CLUSTER
    python = "".join(path.read_text("utf-8") for path in files if path.name not in apart)
    direct = set(re.findall(r"(?<!get)\(\"([A-Z]{2,})\"", python))
    needed = in_scripts | direct

    granted_words = {word.upper() for word in re.findall(r"\+([\w|]+)", granted[0])}
    assert needed - granted_words == set()
    # store/wire and its kin send these, and AUTH, which needs no permission.
    assert granted_words - needed == {"SELECT", "CLIENT|SETNAME", "CLUSTER|SLOTS", "CLUSTER|NODES"}


def test_the_defaults_of_the_limits_are_true() -> None:
    limits = section(PROTOCOL, "Counters and limits")

    assert f"`max_attempts`, default {DEFAULT_MAX_ATTEMPTS}" in limits
    assert f"`max_crashes`, default {DEFAULT_MAX_CRASHES}" in limits
    assert f"MOST_HUNG = {MOST_HUNG} " in LUA["fail"]
    assert f"| {MOST_HUNG}, fixed | dead: `hung` |" in limits
    assert re.search(r"MOST_LOST = 20\b", LUA["lost"])
    assert re.search(r"MOST_HUNG = 3\b", LUA["fail"])
    assert re.search(r"HISTORY = 20\b", LUA["history"])
    assert re.search(r"REJECTED_COUNT, REJECTED_BYTES = 1000, 67108864", LUA["rejected"])


def test_the_defaults_of_the_daemon_are_true() -> None:
    settings = DaemonSettings("app:app", "redis://")
    said = section(PROTOCOL, "States")

    assert (settings.dead_s, settings.max_dead) == (90 * 86400, 100_000)
    assert "`--dead` (90 days)" in said
    assert "`--max-dead` (100,000)" in said
    assert (settings.lease_s, settings.poll_s, settings.kill_after_s, settings.grace_s) == (30, 1, 5, 25)


def test_every_module_is_in_the_table_of_modules() -> None:
    table = chapter(ARCHITECTURE, "Modules")
    paths = [path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"]
    modules = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in paths}

    assert first_cells(table) == modules | {"store/lua/*.lua", "store/lua/rules/*.lua", "store/lua/rules/*/*.lua"}


def test_each_module_stands_below_its_room_and_rooms_in_the_order_of_imports() -> None:
    rooms = re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", chapter(ARCHITECTURE, "Modules"), re.MULTILINE | re.DOTALL)
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    layers = [set(layer.split(" | ")) for layer in contract["layers"]]
    order = [next(n for n, layer in enumerate(layers) if room in layer) for room, _ in rooms]

    assert order == sorted(order)
    assert {room for room, _ in rooms} == {
        path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()
    } | {"otel", "prometheus", "sentry"}
    assert [(room, name) for room, text in rooms for name in first_cells(text)
            if name.partition("/")[0] != room and name not in ("errors", "version")] == []  # fmt: skip


def test_the_board_is_as_drawn() -> None:
    board = section(ARCHITECTURE, "The board")

    assert [word for word in Word if f"{word.value} {word.name} " not in board] == []
    assert [stage for stage in Stage if f"{stage.value} {stage.name.lower().replace('_', ' ')}" not in board] == []


def rows_of_faults() -> list[tuple[int, list[str]]]:
    """The number of the fault (that of the row above, where a row has none) and the tests, row by row."""
    rows, number = [], 0
    for line in FAULTS.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and "`test_" in cells[5]:
            number = int(cells[1] or number)
            rows.append((number, re.findall(r"`(test_\w+)`", cells[5])))
    return rows


def test_every_fault_has_a_row_and_every_row_a_test_that_exists() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    existing = {name for path in files for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.M)}
    rows = rows_of_faults()
    named = {name for _, names in rows for name in names}

    assert sorted({number for number, _ in rows}) == list(range(1, 31))
    assert len(rows) == sum(line.startswith("| ") for line in FAULTS.splitlines()) - 4, "a row without a test"
    assert named - existing == set()
    assert named == set(re.findall(r"`(test_\w+)`", FAULTS))
    assert set(re.findall(r"`(test_\w+)`", CAMPAIGN)) <= existing


def test_every_rule_of_the_campaign_is_in_its_table_and_no_other() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "benchmarks" / "chaos").glob("*.py"))
    rules = set(re.findall(r'(?:tag = |Violation\(\s*)"([\w-]+)"', code))
    table = [line.split("|")[1] for line in CAMPAIGN.splitlines() if line.startswith("| `")]
    assert rules == set(re.findall(r"`([\w-]+)`", " ".join(table)))


def test_what_the_page_of_the_doctor_shows_is_what_it_says() -> None:
    [block] = re.findall(
        r"^```console\n\$ jqctl doctor\n(.*?)^```", (ROOT / "docs" / "doctor.md").read_text("utf-8"), re.M | re.S
    )
    code = [*PACKAGE.rglob("doctor/*.py"), PACKAGE / "daemon" / "leases" / "server_check.py"]
    said = "".join(path.read_text("utf-8") for path in code)
    lines = [line.strip(" ✔✘!") for line in block.splitlines() if line.startswith(" ")]
    fixed = [max(re.split(r"redis://\S+|[a-z]+-lru|\d[\w.]*(?: [GM]B)?", line), key=len).strip(" :") for line in lines]
    assert len(fixed) >= 5
    assert [words for words in fixed if words not in said] == []


def test_a_test_that_carries_the_number_of_a_fault_shows_that_fault() -> None:
    numbered = [(row, int(found[1])) for row, names in rows_of_faults() for name in names
                if (found := re.match(r"test_fault_(\d\d)_", name))]  # fmt: skip

    assert [pair for pair in numbered if pair[0] != pair[1]] == []
    assert {*range(1, 14), *range(26, 31)} <= {number for _, number in numbered}
