"""Verifying a log: counts, chains, and the first break of each with its place and kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit.verify.chain_verifier import MAX_READ_ATTEMPTS
from authguard.audit.verify.checkpoint_verifier import Trust
from authguard.audit.verify.log_verifier import verify
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, ChainBreak, IntactChain, Violation, format_line
from authguard.records.entries import ActEntry, DecisionEntry, FaultEntry, RefusalEntry
from tests.audit.logs import CELL
from tests.audit.verify.tampering import rehash

if TYPE_CHECKING:
    from pathlib import Path


def chain(*outcomes: str, start: float = 100.0) -> list[bytes]:
    """Chain a start, one decision per outcome a second apart, and a fault."""
    at = iter(range(len(outcomes) + 2))
    common = {"policy": "ab"}
    entries = [
        ActEntry(id="s", at=start + next(at), act="started", **common),
        *(
            DecisionEntry(
                id="d",
                at=start + next(at),
                operation="pay",
                cell=CELL,
                rule="1:x",
                outcome=said,
                fallback="x",
                **common,
            )
            for said in outcomes
        ),
        FaultEntry(id="f", at=start + next(at), reason="guard-fault", where="load", error="StoreError", **common),
    ]
    lines, head = [], GENESIS
    for seq, entry in enumerate(entries):
        line, head = format_line(entry, seq, head)
        lines.append(line)
    return lines


def never(seconds: float) -> None:
    raise AssertionError(f"nothing is waited for, least of all {seconds} s")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_an_intact_log_is_counted_over_all_its_chains(log: Path) -> None:
    log.write_bytes(b"".join(chain("allow", "deny", "allow")))
    log.with_name("audit.7.jsonl").write_bytes(b"".join(chain("hold", start=50.0)))
    log.with_name("audit.old.jsonl").write_bytes(b"none of its chains")
    found = verify(log, pause=never)
    assert found.ok
    assert [(one.path.name, one.lines) for one in found.chains] == [("audit.jsonl", 5), ("audit.7.jsonl", 3)]
    assert found.kinds == {"act": 2, "decision": 4, "fault": 2}
    assert found.outcomes == {"allow": 2, "deny": 1, "hold": 1}
    assert (found.first, found.last, found.repairs) == (50.0, 104.0, 0)


def test_the_first_break_is_placed_and_what_comes_before_it_counted(log: Path) -> None:
    lines = chain("allow", "deny", "allow")
    lines[2] = lines[2].replace(b"deny", b"none")
    log.write_bytes(b"".join(lines))
    found = verify(log, pause=never)
    assert not found.ok
    assert found.chains[0].result == ChainBreak(3, Violation.EDITED)
    assert found.chains[0].lines == 2
    assert found.outcomes == {"allow": 1}


def test_one_broken_chain_beside_a_good_one_breaks_the_log(log: Path) -> None:
    log.write_bytes(b"".join(chain("allow")))
    second = log.with_name("audit.1.jsonl")
    second.write_bytes(b"".join(chain("allow", "allow")[1:]))
    found = verify(log, pause=never)
    assert not found.ok
    assert isinstance(found.chains[0].result, IntactChain)
    assert found.chains[1].result == ChainBreak(1, Violation.MISPLACED)


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (b"", ChainBreak(0, Violation.EMPTY)),
        (None, ChainBreak(0, Violation.MISSING)),
        (b"\n", ChainBreak(1, Violation.NOT_A_RECORD)),
        (b"x" * 1_000_000, ChainBreak(1, Violation.NOT_A_RECORD)),
        (b"x" * (MAX_LINE_BYTES - 1) + b"\n" + b"rest", ChainBreak(1, Violation.NOT_A_RECORD)),
    ],
)
def test_what_is_no_log_is_not_well(log: Path, content: bytes | None, result: ChainBreak) -> None:
    if content is not None:
        log.write_bytes(content)
    found = verify(log, pause=never)
    assert not found.ok
    assert [one.result for one in found.chains] == [result]
    assert (found.first, found.last) == (math.inf, -math.inf)


def test_a_log_that_is_missing_while_its_siblings_are_there_is_not_well(log: Path) -> None:
    log.with_name("audit.1.jsonl").write_bytes(b"".join(chain("allow")))
    assert [type(one.result) for one in verify(log, pause=never).chains] == [ChainBreak, IntactChain]


def test_a_folder_is_not_a_log(log: Path) -> None:
    log.mkdir()
    assert verify(log).chains[0].result == ChainBreak(0, Violation.UNREADABLE)


def test_a_torn_end_is_told_from_an_edit_after_looking_again(log: Path) -> None:
    text = b"".join(chain("allow"))
    log.write_bytes(text[:-10])
    pauses: list[float] = []
    found = verify(log, pause=pauses.append)
    assert found.chains[0].result == ChainBreak(3, Violation.TORN)
    assert found.chains[0].lines == 2
    assert len(pauses) == MAX_READ_ATTEMPTS


def test_a_line_whose_writer_is_at_it_is_not_called_torn(log: Path) -> None:
    text = b"".join(chain("allow"))
    log.write_bytes(text[:-10])
    assert verify(log, pause=lambda _: [log.write_bytes(text)].clear()).ok


def test_repairs_are_counted(log: Path) -> None:
    line, _ = format_line(ActEntry(id="r", at=1.0, policy="", act="repaired", note="3 bytes"), 0, GENESIS)
    log.write_bytes(line)
    assert verify(log).repairs == 1


def test_a_refusal_is_counted_by_its_kind(log: Path) -> None:
    line, _ = format_line(RefusalEntry(id="r", at=1.0, policy="", reason="body-too-large", status=413), 0, GENESIS)
    log.write_bytes(line)
    assert verify(log).kinds == {"refusal": 1}


def test_a_log_that_begins_while_its_siblings_are_verified_is_not_called_emptied(log: Path) -> None:
    log.write_bytes(b"")
    log.with_name("audit.1.jsonl").write_bytes(b"".join(chain("allow"))[:-10])

    def begin(_: float) -> None:
        log.write_bytes(b"".join(chain("allow")))
        log.with_suffix(".checkpoints").write_bytes(b"")

    found = verify(log, trust=Trust((), signing_key.verify_signature, {}, {}), pause=begin)
    assert found.chains[0].result == IntactChain(0, GENESIS)


def test_an_emptied_log_with_checkpoints_is_not_well(log: Path) -> None:
    log.write_bytes(b"")
    log.with_suffix(".checkpoints").write_bytes(b"")
    assert verify(log, trust=Trust((), signing_key.verify_signature, {}, {})).chains[0].result == ChainBreak(
        0, Violation.EMPTY
    )


@pytest.mark.parametrize(("version", "violation"), [(1, Violation.OLDER_VERSION), (3, Violation.NEWER_VERSION)])
def test_a_log_of_another_version_is_refused_by_name(log: Path, version: int, violation: Violation) -> None:
    log.write_bytes(b"".join(rehash(chain("allow", "deny"), version)))
    assert verify(log, pause=never).chains[0].result == ChainBreak(1, violation)


def test_an_old_tombstone_is_refused_by_name(log: Path) -> None:
    lines = chain("allow", "deny")
    log.write_bytes(b"".join(lines))
    old = log.with_name("audit.jsonl.000000000000.stub")
    old.write_bytes(b"{}")
    (report,) = verify(log, pause=never).chains
    assert (report.result, report.where) == (ChainBreak(0, Violation.OLDER_VERSION), old)
