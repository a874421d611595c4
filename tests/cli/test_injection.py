"""Tests that no audit command prints unescaped text of a hostile log to the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from typer.testing import CliRunner

from authguard import signing_key
from authguard.errors import AuditError
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry
from tests.audit.logs import AT, acted, decided, faulted, moved, refused, withdrawn, write
from tests.cli.deployment import group
from tests.support.hostile_text import MARKS

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.records.entries import Entry

app = group("audit")
#: JSON cannot hold halves of characters as they are; a forger writes them as escapes
MARK = "".join(mark for mark in MARKS if not any("\ud800" <= char <= "\udfff" for char in mark))
KEPT = {"id", "session", "machine", "at", "status", "cell", "records"}
COMMANDS = (
    ("tail", "--log", "{log}"),
    ("tail", "--json", "--log", "{log}"),
    ("show", "d1", "--log", "{log}"),
    ("show", "d1", "--log", "{log}", "--format", "json"),
    ("query", "--session", "5e55", "--log", "{log}"),
    ("query", "--subject", "5e" * 16, "--log", "{log}"),
    ("query", "--log", "{log}"),
    ("query", "--log", "{log}", "--format", "json"),
    ("query", "--log", "{log}", "--operation", "\u202enone\x1b[2J"),
    ("timeline", "5e55", "--log", "{log}"),
    ("stats", "--log", "{log}"),
    ("explain", "d1", "--log", "{log}", "--policy", "standard"),
    ("explain", "m1", "--log", "{log}", "--policy", "standard"),
    ("replay", "--log", "{log}", "--policy", "standard"),
    ("export", "--log", "{log}", "--format", "jsonl"),
    ("verify", "--log", "{log}", "--hashes-only"),
    ("prove", "d1", "--log", "{log}", "--key", signing_key.generate_key("desk").key.text()),
)


def hostile(entry: Entry) -> Entry:
    """Append hostile characters to each text of a record."""
    said = msgspec.structs.asdict(entry)
    return msgspec.structs.replace(
        entry,
        **{
            name: value + MARK if isinstance(value, str) else tuple(one + MARK for one in value)
            for name, value in said.items()
            if name not in KEPT and isinstance(value, str | tuple)
        },
    )


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHGUARD_AUDIT_LOG", "AUTHGUARD_POLICY", "AUTHGUARD_STORE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "audit.jsonl"
    entries = (
        acted("a1", 0, "started", by="dana", note="n", subject="x", ticket="k", decision="d", transaction="t"),
        decided("d1", 1, reason="decided", actor="a", credential="c0", channel="web", trace_id="t"),
        moved("m1", 2, "session.idled: active -> idle", note="n", decision="d1"),
        refused("r1", 3),
        faulted("f1", 4),
        withdrawn("w1", 5, "d2"),
    )
    lines = write(path, *map(hostile, entries)).splitlines(keepends=True)
    # unpaired surrogates as JSON escapes, with a correct hash
    half = ActEntry(id="h1", at=AT + 6, policy="ab", act="started", note="HALF")
    plain, _ = format_line(half, len(lines), lines[-1][-67:-3].decode())
    path.write_bytes(b"".join(lines) + plain.replace(b"HALF", rb"\ud800\udfff\u202e"))
    assert GENESIS.encode() in lines[0]
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:1] + words[3:4]))
def test_no_command_lets_a_mark_of_the_log_through(log: Path, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [word.format(log=log) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit | AuditError), done.exception
    shown = done.stdout + done.stderr + str(done.exception or "")
    assert shown
    for line in shown.split("\n"):
        assert line.isprintable(), line
