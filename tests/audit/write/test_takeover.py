"""A chain that changes hands: what a crash left is kept and told, what nobody with the key wrote is moved aside."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit import segment_file
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from authguard.records.chain import ChainBreak, Violation, format_line
from authguard.records.entries import ActEntry
from tests.audit.desk import Desk, numbers
from tests.audit.verify.tampering import rehash

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Make a deployment that closes no file by its size."""
    return Desk(tmp_path, RetentionPolicy())


def written(desk: Desk, *notes: str) -> None:
    """Write records, and stop."""
    sink = desk.open()
    desk.write(sink, *notes)
    sink.close()


def crashed(desk: Desk, *notes: str, signed: int = 0) -> None:
    """Write records, of which so many are signed, and die without a word."""
    sink = desk.open()
    desk.write(sink, *notes[:signed])
    if signed:
        desk.work()
    desk.write(sink, *notes[signed:])
    assert sink._file is not None
    os.close(sink._file.fd)


def acts(desk: Desk) -> list[dict[str, Any]]:
    """Read what the log says of itself."""
    return [one for one in map(json.loads, desk.log.read_bytes().splitlines()) if one.get("by") == "audit"]


def said(desk: Desk) -> list[str]:
    return [one["act"] for one in acts(desk)]


def append(desk: Desk, *notes: str) -> None:
    """Go on with the chain as anybody can who has the file."""
    last = json.loads(desk.log.read_bytes().splitlines()[-1])
    seq, head = last["seq"], last["hash"]
    with desk.log.open("ab") as file:
        for note in notes:
            seq += 1
            line, head = format_line(
                ActEntry(id="f", at=2_000.0, policy="", act="forged", by="erik", note=note), seq, head
            )
            file.write(line)


def aside(desk: Desk) -> list[Path]:
    return sorted(desk.folder.glob("*.aside.*"))


def test_a_clean_handover_says_only_who_begins_and_who_ends(desk: Desk) -> None:
    written(desk, "1")
    written(desk, "2")
    assert said(desk) == ["opened", "closed", "opened", "closed"]
    first, _, second, _ = acts(desk)
    assert second["note"].startswith(f"after {second['prev']}, ")
    assert first["note"].startswith(f"after {'0' * 64}, ")
    found = desk.verify()
    assert found.ok
    assert not list(found.unaccepted())


def test_who_writes_nothing_says_nothing(desk: Desk) -> None:
    written(desk, "1")
    before = desk.log.read_bytes()
    written(desk)
    assert desk.log.read_bytes() == before


def test_lines_behind_a_clean_stop_are_moved_aside_and_not_lost(desk: Desk) -> None:
    written(desk, "1")
    clean = desk.log.read_bytes()
    append(desk, "a", "b")
    forged = desk.log.read_bytes()[len(clean) :]
    broken = desk.verify().chains[0].result
    assert broken == ChainBreak(4, Violation.UNAUTHORIZED_WRITER)
    written(desk, "2")
    assert said(desk) == ["opened", "closed", "opened", "foreign", "closed"]
    (kept,) = aside(desk)
    assert kept.read_bytes() == forged
    assert kept.name in acts(desk)[3]["note"]
    found = desk.verify()
    assert found.ok
    (mark,) = found.unaccepted()
    assert (mark.kind, mark.place) == ("foreign", kept.name)


def test_what_a_crash_left_is_recovered_and_told(desk: Desk) -> None:
    crashed(desk, *numbers(0, 6), signed=3)
    written(desk, "more")
    assert said(desk) == ["opened", "opened", "recovered", "closed"]
    assert acts(desk)[2]["note"] == "lines 5 to 7, 2 s; a checkpoint covers 1000 lines or 10 s"
    found = desk.verify()
    assert found.ok
    assert [mark.place for mark in found.chains[0].marks] == ["audit.jsonl:5-7"]
    assert not list(found.unaccepted()), "no longer than a checkpoint interval"


def test_a_crash_before_the_first_checkpoint_is_recovered_too(desk: Desk) -> None:
    crashed(desk, "1", "2")
    written(desk, "3")
    assert said(desk) == ["opened", "opened", "recovered", "closed"]
    assert desk.verify().ok


def test_a_crash_behind_a_handover_is_recovered_from_its_beginning_on(desk: Desk) -> None:
    written(desk, "1")
    crashed(desk, "2")
    written(desk, "3")
    assert said(desk) == ["opened", "closed", "opened", "opened", "recovered", "closed"]
    assert not aside(desk)
    assert desk.verify().ok


@pytest.mark.parametrize("garbage", [b"x\n", b'{"kind":"act"}\n', b"y" * 200_000, b"x\n" * 3 + b"torn"])
def test_what_does_not_follow_a_crash_is_moved_aside(desk: Desk, garbage: bytes) -> None:
    crashed(desk, "1", "2", signed=1)
    with desk.log.open("ab") as file:
        file.write(garbage)
    written(desk, "3")
    assert said(desk)[1:-1] == ["opened", "foreign", "recovered"]
    (kept,) = aside(desk)
    assert kept.read_bytes() == garbage
    assert desk.verify().ok


def test_a_first_line_that_a_crash_tore_is_nobody_elses(desk: Desk) -> None:
    desk.folder.mkdir(parents=True)
    desk.log.write_bytes(b'{"kind":"act","id":"')
    written(desk, "1")
    assert said(desk) == ["opened", "repaired", "closed"]
    assert not aside(desk)
    assert desk.verify().ok


def test_a_long_range_needs_a_person_and_one_is_enough(desk: Desk) -> None:
    crashed(desk, *numbers(0, 30), signed=1)
    written(desk, "more")
    (mark,) = desk.verify().unaccepted()
    assert (mark.kind, mark.place) == ("recovered", "audit.jsonl:3-31"), "29 seconds where a checkpoint covers ten"
    sink = desk.open()
    note = f"{mark.id} {mark.place}: seen"
    sink.append(ActEntry(id="ok", at=desk.clock.now(), policy="ab", act="accepted", by="dana", note=note))
    assert list(desk.verify().unaccepted()), "it counts when it is signed"
    sink.close()
    assert not list(desk.verify().unaccepted())


def test_nobody_accepts_by_a_line_that_a_crash_left(desk: Desk) -> None:
    crashed(desk, *numbers(0, 30), signed=1)
    written(desk, "more")
    (mark,) = desk.verify().unaccepted()
    crashed(desk, "again", signed=1)
    last = json.loads(desk.log.read_bytes().splitlines()[-1])
    forged = ActEntry(id="f", at=2_000.0, policy="", act="accepted", by="erik", note=f"{mark.id} {mark.place}: fine")
    with desk.log.open("ab") as file:
        file.write(format_line(forged, last["seq"] + 1, last["hash"])[0])
    written(desk, "after")
    assert [one.id for one in desk.verify().unaccepted()] == [mark.id]


def test_a_chain_that_the_key_never_signed_is_moved_aside_whole(desk: Desk) -> None:
    written(desk, "1")
    other = Desk(desk.folder.parent / "other", RetentionPolicy())
    written(other, "theirs")
    theirs = other.log.read_bytes()
    desk.log.with_name("audit.1.jsonl").write_bytes(theirs)
    first, second = desk.open(), desk.open()
    desk.write(first, "2")
    desk.write(second, "3")
    second.close()
    first.close()
    (kept,) = aside(desk)
    assert kept.name.startswith("audit.1.jsonl.aside.")
    assert kept.read_bytes() == theirs
    assert desk.verify().ok


def test_files_that_were_put_behind_a_stopped_log_go_aside_and_the_chain_goes_on(desk: Desk) -> None:
    written(desk, "1")
    append(desk, "a")
    lines = desk.log.read_bytes().splitlines(keepends=True)
    segment_file.segment_path(desk.log, 0).write_bytes(b"".join(lines[:-1]))
    desk.log.write_bytes(lines[-1])
    written(desk, "2")
    assert [path.read_bytes() for path in aside(desk)] == [lines[-1]]
    found = desk.verify()
    assert found.ok, found
    assert found.chains[0].segments == 1


def aged(desk: Desk) -> bytes:
    """Rewrite the log, and the head that a writer remembers of it, in the first version of the format."""
    lines = rehash(desk.log.read_bytes().splitlines(keepends=True), 1)
    desk.log.write_bytes(b"".join(lines))
    (head,) = desk.memory.iterdir()
    head.rename(head.with_name(f"{lines[0][-67:-35].decode()}.json"))
    return b"".join(lines)


def test_a_log_that_an_older_version_signed_is_refused_and_stays_in_its_place(desk: Desk) -> None:
    written(desk, *numbers(0, 3))
    old = aged(desk)
    with pytest.raises(AuditError, match="taken over: written by an older version of authguard: verify it with"):
        desk.open()
    assert desk.log.read_bytes() == old
    assert not aside(desk)
    for head in desk.memory.iterdir():
        head.unlink()
    with pytest.raises(AuditError, match="written by an older version"):
        desk.open()


def test_a_log_made_to_look_old_does_not_keep_the_app_down(desk: Desk) -> None:
    written(desk, *numbers(0, 3))
    desk.log.write_bytes(b"".join(rehash(desk.log.read_bytes().splitlines(keepends=True), 1)))
    desk.open().close()
    assert said(desk)[1] == "foreign"
    assert aside(desk)
