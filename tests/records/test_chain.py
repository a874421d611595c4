"""Hash chain: line format, and detection of every change at its position."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.records.chain import (
    GENESIS,
    MAX_LINE_BYTES,
    VERSION,
    ChainBreak,
    ChainedLine,
    IntactChain,
    Violation,
    format_line,
    iter_chain,
    parse_line,
    verify_chain,
)
from authguard.records.entries import (
    ActEntry,
    DecisionEntry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from tests.audit.verify.tampering import rehash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authguard.records.entries import Entry

POLICY = "ab" * 32
CELL = ("live", "normal", "active", "verified", "none", "good", "high", "write", "granted", "met")


def of_each_kind(number: int) -> Entry:
    """Build an entry; six consecutive ones have six kinds."""
    common = {"id": f"{number:032x}", "at": 1_800_000_000.25 + number, "policy": POLICY}
    return (
        lambda: ActEntry(act="started", by="bank", note='a "quoted", {odd} note \\ with ,"hash":" in it', **common),
        lambda: DecisionEntry(operation="pay", cell=CELL, rule="3:allow", outcome="allow", fallback="allow", **common),
        lambda: TransitionEntry(
            machine="session", event="session.accepted", source="absent", dest="active", cause="x", **common
        ),
        lambda: RefusalEntry(reason="body-too-large", status=413, operation="übertragen", **common),
        lambda: FaultEntry(reason="store", where="load", error="StoreError", **common),
        lambda: WithdrawalEntry(records=("1", "2"), **common),
    )[number % 6]()


def chained(entries: Iterable[Entry]) -> list[bytes]:
    """Link entries from the genesis on."""
    lines, head = [], GENESIS
    for seq, entry in enumerate(entries):
        line, head = format_line(entry, seq, head)
        lines.append(line)
    return lines


LOG = chained(of_each_kind(number) for number in range(20))
TEXT = b"".join(LOG)
STARTS = [0, *itertools.accumulate(len(line) for line in LOG)]


def split(data: bytes) -> list[bytes]:
    """Read lines as a file does: only a line feed ends one."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def test_a_line_states_its_place_its_predecessor_and_the_hash_of_its_own_bytes() -> None:
    prev = GENESIS
    for seq, line in enumerate(LOG):
        record = json.loads(line)
        assert (record["seq"], record["prev"]) == (seq, prev)
        assert list(record)[-4:] == ["v", "seq", "prev", "hash"]
        hashed = line[: line.rindex(b',"hash":"')]
        assert record["hash"] == hashlib.sha256(hashed).hexdigest()
        prev = record["hash"]


def test_a_line_reads_back_as_the_entry_that_it_says() -> None:
    for number, line in enumerate(LOG):
        found = parse_line(line)
        assert isinstance(found, ChainedLine)
        assert found.entry == of_each_kind(number)
        assert found.seq == number


def test_an_untouched_chain_is_intact() -> None:
    assert verify_chain(LOG) == IntactChain(20, json.loads(LOG[-1])["hash"])
    assert split(TEXT) == LOG


def test_a_chain_without_a_line_is_broken() -> None:
    assert verify_chain([]) == ChainBreak(0, Violation.EMPTY)


@given(place=st.integers(0, len(TEXT) - 1), mask=st.integers(1, 255))
def test_any_byte_changed_is_found_in_its_line(place: int, mask: int) -> None:
    changed = bytearray(TEXT)
    changed[place] ^= mask
    found = verify_chain(split(bytes(changed)))
    assert isinstance(found, ChainBreak)
    assert found.line == next(line for line, start in enumerate(STARTS) if start > place)
    assert found.violation in {Violation.EDITED, Violation.NOT_A_RECORD, Violation.TORN}


@pytest.mark.parametrize("gone", range(19))
def test_any_inner_line_deleted_is_found_where_it_was(gone: int) -> None:
    assert verify_chain(LOG[:gone] + LOG[gone + 1 :]) == ChainBreak(gone + 1, Violation.MISPLACED)


@given(st.lists(st.integers(0, 19), min_size=2, max_size=2, unique=True).map(sorted))
def test_any_two_lines_swapped_are_found_at_the_first(places: Sequence[int]) -> None:
    first, second = places
    lines = list(LOG)
    lines[first], lines[second] = lines[second], lines[first]
    assert verify_chain(lines) == ChainBreak(first + 1, Violation.MISPLACED)


@given(st.permutations(range(20)).filter(lambda order: order != sorted(order)))
def test_any_other_order_is_found(order: Sequence[int]) -> None:
    first = next(place for place, number in enumerate(order) if place != number)
    assert verify_chain([LOG[number] for number in order]) == ChainBreak(first + 1, Violation.MISPLACED)


@given(st.integers(0, 19), st.integers(0, 20))
def test_a_line_said_twice_is_found(number: int, place: int) -> None:
    # beside itself, the copy is the second of the two
    expected = place + 1 if place != number else place + 2
    assert verify_chain([*LOG[:place], LOG[number], *LOG[place:]]) == ChainBreak(expected, Violation.MISPLACED)


@given(st.integers(1, 18))
def test_a_forged_line_that_fits_its_predecessor_is_found_at_its_successor(place: int) -> None:
    forged, _ = format_line(
        ActEntry(id="f", at=1.0, policy="", act="started"), place, json.loads(LOG[place - 1])["hash"]
    )
    assert verify_chain([*LOG[:place], forged, *LOG[place + 1 :]]) == ChainBreak(place + 2, Violation.MISPLACED)


def test_a_forged_last_line_that_skips_places_is_found() -> None:
    forged, _ = format_line(ActEntry(id="f", at=1.0, policy="", act="started"), 25, json.loads(LOG[-1])["hash"])
    assert verify_chain([*LOG, forged]) == ChainBreak(21, Violation.MISPLACED)


@given(st.integers(1, len(TEXT) - 1).filter(lambda place: place not in STARTS))
def test_a_log_cut_inside_a_line_ends_in_a_torn_one(place: int) -> None:
    expected = next(line for line, start in enumerate(STARTS) if start > place)
    assert verify_chain(split(TEXT[:place])) == ChainBreak(expected, Violation.TORN)


@given(st.integers(1, 19))
def test_a_log_cut_at_a_line_cannot_be_told_without_a_signature(count: int) -> None:
    assert isinstance(verify_chain(LOG[:count]), IntactChain)


@given(st.binary(max_size=300))
def test_garbage_is_never_a_record_and_never_an_exception(garbage: bytes) -> None:
    found = parse_line(garbage + b"\n")
    assert found in {Violation.NOT_A_RECORD, Violation.EDITED}
    assert parse_line(garbage.replace(b"\n", b"")) is Violation.TORN


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"verdict","id":"x","at":1.0,"policy":""',  # an unknown kind
        b'{"kind":"act","id":"x","policy":"","act":"a"',  # no time
        b'{"kind":"act","id":"x","at":null,"policy":"","act":"a"',
        b'["kind"',
        b"",
    ],
)
def test_a_line_with_a_right_hash_that_is_no_record_is_foreign(body: bytes) -> None:
    hashed = body + b',"v":2,"seq":0,"prev":"' + GENESIS.encode() + b'"'
    line = hashed + b',"hash":"' + hashlib.sha256(hashed).hexdigest().encode() + b'"}\n'
    assert verify_chain([line]) == ChainBreak(1, Violation.NOT_A_RECORD)


@pytest.mark.parametrize("number", [b"00", b"-1", b"1.0", b"1e2", b"9" * 19])
def test_a_place_is_written_in_one_way_only(number: bytes) -> None:
    hashed = (
        b'{"kind":"act","id":"x","at":1.0,"policy":"","act":"a","v":2,"seq":' + number + b',"prev":"' + b"0" * 64 + b'"'
    )
    line = hashed + b',"hash":"' + hashlib.sha256(hashed).hexdigest().encode() + b'"}\n'
    assert parse_line(line) is Violation.NOT_A_RECORD


def test_a_line_longer_than_a_line_may_be_is_foreign() -> None:
    line, _ = format_line(ActEntry(id="x", at=1.0, policy="", act="a", note="n" * MAX_LINE_BYTES), 0, GENESIS)
    assert parse_line(line) is Violation.NOT_A_RECORD


def test_walking_stops_at_the_first_break() -> None:
    edited = LOG[3].replace(b"body-too-large", b"body-too-small")
    found = list(iter_chain([*LOG[:3], edited, *LOG[4:]]))
    assert [type(item) for item in found] == [ChainedLine, ChainedLine, ChainedLine, ChainBreak]
    assert found[-1] == ChainBreak(4, Violation.EDITED)


def test_every_flaw_is_told_in_words() -> None:
    assert len({violation.message for violation in Violation}) == len(Violation)


def test_text_that_is_not_unicode_does_not_become_a_line() -> None:
    with pytest.raises(UnicodeEncodeError):
        format_line(ActEntry(id="x", at=1.0, policy="", act="\ud800"), 0, GENESIS)


@pytest.mark.parametrize(
    ("version", "violation"),
    [(1, Violation.OLDER_VERSION), (VERSION + 1, Violation.NEWER_VERSION), (10**8, Violation.NEWER_VERSION)],
)
def test_an_intact_line_of_another_version_is_named_as_one(version: int, violation: Violation) -> None:
    assert parse_line(rehash(LOG, version)[0]) is violation


def test_a_line_whose_version_was_edited_is_no_record() -> None:
    for version in (b"0", b"1", b"3", b"-1", b"01"):
        assert parse_line(LOG[0].replace(b'"v":2', b'"v":' + version)) is Violation.NOT_A_RECORD


def test_a_line_whose_text_is_not_utf_8_is_no_record() -> None:
    line, _ = format_line(ActEntry(id="1", at=1.0, policy="ab", act="started", by="XX"), 0, GENESIS)
    (forged,) = rehash([line.replace(b'"XX"', b'"\xff\xfe"')])
    assert parse_line(forged) is Violation.NOT_A_RECORD
