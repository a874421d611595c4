"""Files of a killed process, read before any repair, and their invariants."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from authguard.core import record_codec
from authguard.core.snapshot import AccountRecord, LedgerRecord, Record, SessionRecord, TransactionRecord
from authguard.records.chain import ChainedLine, parse_line
from authguard.records.entries import DecisionEntry, TransitionEntry, WithdrawalEntry
from tests.faults.app import LOG, STORE, Reply, runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authguard.records.entries import Entry

#: what stood before the kill, and what reached the caller
ARMED = Path("armed")
TOLD = Path("told")

#: (name of a row in hex, machine) -> state
States = dict[tuple[str, str], str]


class Armed(msgspec.Struct, frozen=True):
    """What stood when the request began that was to be killed.

    Attributes:
        now: the clock.
        lines: of the log.
        states: as stored, ``ROW MACHINE`` -> state.
        versions: row -> version.
    """

    now: float
    lines: int
    states: dict[str, str]
    versions: dict[str, int]


def arm(now: float) -> None:
    """Write down what stands."""
    found = rows()
    lines, _ = log()
    states = {" ".join(place): state for place, state in standing(found).items()}
    versions = {name: record.version for name, record in found.items()}
    ARMED.write_bytes(msgspec.json.encode(Armed(now, len(lines), states, versions)))


def armed() -> Armed:
    """Read it back."""
    return msgspec.json.decode(ARMED.read_bytes(), type=Armed)


def told() -> Reply:
    """Give the answer that the caller has whole; none where there is none."""
    status, body = 0, ""
    for line in TOLD.read_text("utf-8").splitlines() if TOLD.exists() else []:
        message = json.loads(line)
        status = message.get("status", status)
        body = message.get("body", body)
        if message["type"] != "http.response.start":
            return Reply(status, body.encode())
    return Reply()


def message_line(message: dict[str, Any]) -> str:
    """Write a message to the caller as a line."""
    return json.dumps({"type": message["type"]} | _told(message))


def _told(message: dict[str, Any]) -> dict[str, Any]:
    if "body" in message:
        return {"body": message["body"].decode()}
    return {"status": message["status"]}


def log() -> tuple[list[ChainedLine], bytes]:
    """Read the whole lines of the log, each with the hash that it states, and what is torn after them."""
    raw = LOG.read_bytes() if LOG.exists() else b""
    whole, torn = raw[: raw.rfind(b"\n") + 1], raw[raw.rfind(b"\n") + 1 :]
    lines: list[ChainedLine] = []
    for line in whole.splitlines(keepends=True):
        found = parse_line(line)
        assert isinstance(found, ChainedLine), f"a line of the log is {found}"
        assert found.seq == len(lines), "the log has lost a line"
        assert not lines or found.prev == lines[-1].hash, "the log does not hang together"
        lines.append(found)
    return lines, torn


def rows() -> dict[str, Record]:
    """Read every record of the store, each decoded whole and with the version that its row states."""
    if not STORE.exists():
        return {}
    with closing(sqlite3.connect(STORE)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'records'").fetchone()
        found = connection.execute("SELECT name, version, value FROM records").fetchall() if tables[0] else []
    records = {name.hex(): record_codec.decode_record(name, value) for name, _, value in found}
    for name, version, _ in found:
        assert records[name.hex()].version == version, "a row and its record have different versions"
    return records


def standing(records: dict[str, Record]) -> States:
    """Give where each machine stands, by the row that holds it."""
    states: States = {}
    for name, record in records.items():
        if isinstance(record, SessionRecord):
            states[name, "verification"] = record.verification
        if isinstance(record, LedgerRecord):
            continue  # no machine stands there
        machine = {"v": "service", "a": "account", "s": "session", "t": "transaction"}[chr(bytes.fromhex(name)[0])]
        states[name, machine] = record.state
    return states


def check(initial: dict[str, str], *, account: bytes, alone: bool) -> None:
    """Hold what was left against the promises.

    What is stored is what the log says up to the end of some step: no step is saved without its lines, none by half.

    Args:
        initial: machine -> initial state.
        account: key of the one account that the killed request was about.
        alone: whether only one request was under way.
    """
    before, records = armed(), rows()
    lines, _ = log()
    news: list[Entry] = [line.entry for line in lines[before.lines :]]
    withdrawn = {name for line in lines if isinstance(line.entry, WithdrawalEntry) for name in line.entry.records}
    decided = {line.entry.id: line.entry for line in lines if isinstance(line.entry, DecisionEntry)}
    for record, _ in runs():
        assert record in decided, "the app ran without a decision on the disk"
        assert decided[record].outcome in {"allow", "restrict"}, "the app ran though it was not admitted"
        assert record not in withdrawn, "the app ran by a decision that was withdrawn"
    assert max(Counter(record for record, _ in runs()).values(), default=0) <= 1, "one decision admitted twice"
    stand = [entry for entry in news if entry.id not in withdrawn]
    assert sum(isinstance(entry, DecisionEntry) for entry in stand) <= (1 if alone else 2), (
        "a request has two decisions"
    )
    moved = any(record.version > before.versions.get(name, 0) for name, record in records.items())
    assert not moved or stand, "something was saved and nothing recorded"
    base: States = {(place.split()[0], place.split()[1]): state for place, state in before.states.items()}
    reached = [(base, set[str]())]
    for step in steps(stand):
        named = {entry.decision for entry in step} - {""}
        reached += [
            (_after(states, step, account), names | named) for states, names in (reached[-1:] if alone else reached)
        ]
    now = standing(records)
    ends = [names for states, names in reached if _same(states, now, initial)]
    assert ends, f"{now} is no end of a recorded step: {reached}"
    assert any(names <= decided.keys() for names in ends), "a step was saved and its decision not recorded"
    _check_ledgers(records)


def _same(one: States, other: States, initial: dict[str, str]) -> bool:
    """Compare by what is stored; what is not stands where it begins."""
    begun = {place: initial[place[1]] for place in (*one, *other)}
    return begun | one == begun | other


def steps(news: Iterable[Entry]) -> list[list[TransitionEntry]]:
    """Split the lines into steps: transitions that follow each other are one, for they are saved as one."""
    found: list[list[TransitionEntry]] = [[]]
    for entry in news:
        if isinstance(entry, TransitionEntry):
            found[-1].append(entry)
        elif found[-1]:
            found.append([])
    return [step for step in found if step]


def _after(states: States, step: list[TransitionEntry], account: bytes) -> States:
    """Give where the machines stand after a step."""
    after = dict(states)
    for entry in step:
        name = {
            "service": record_codec.SERVICE.hex(),
            "account": b"a".hex() + account.hex(),
            "session": b"s".hex() + entry.session,
            "verification": b"s".hex() + entry.session,
            "transaction": (b"t" + entry.transaction.encode()).hex(),
        }[entry.machine]
        after[name, entry.machine] = entry.dest
    return after


def _check_ledgers(records: dict[str, Record]) -> None:
    """What is approved, runs, ran or may have run is counted against the budget once; what did not is not."""
    spent = Counter(
        entry.transaction for record in records.values() if isinstance(record, AccountRecord) for entry in record.ledger
    )
    for name, record in records.items():
        if isinstance(record, TransactionRecord):
            counted = spent[bytes.fromhex(name)[1:].decode()]
            assert counted == (record.state in {"approved", "running", "done", "in_doubt"}), (record.state, counted)
