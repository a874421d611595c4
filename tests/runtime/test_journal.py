"""The journal writes one valid line for any text; no text can forge a line or reverse its direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.audit.write.memory import MemorySink
from authguard.core.machine import Transition
from authguard.core.outcomes import Reason
from authguard.core.request import Operation
from authguard.core.snapshot import Keys
from authguard.evaluation.request import AccessRequest
from authguard.pseudonym import MAX_NAME_LENGTH, escape_name
from authguard.runtime.journal import Journal, escape_text, sanitize_text
from tests.audit.conftest import CountingIds
from tests.support.hostile_text import TEXTS, is_harmless
from tests.support.record_check import RecordValidator

if TYPE_CHECKING:
    from collections.abc import Callable

PAY = AccessRequest(operation=Operation(name="pay"))
KEYS = Keys(account=b"a", session=b"\x5e", transaction="t-1")
RECORDS = RecordValidator()


def written(write: Callable[[Journal], object]) -> bytes:
    sink = MemorySink()
    write(Journal("ab" * 32, sink, CountingIds()))
    (line,) = sink.lines
    assert line.count(b"\n") == 1
    RECORDS.line(line)
    return line


@given(note=TEXTS, by=TEXTS)
def test_what_a_person_says_is_bounded_and_forges_nothing(note: str, by: str) -> None:
    line = written(lambda journal: journal.record_act("transaction.denied", 1.0, by=by, note=note, transaction="t-1"))
    assert len(line) < 5_000
    assert is_harmless(line.decode().rstrip("\n"))


@given(cause=TEXTS.filter(bool), note=TEXTS)
def test_what_moves_a_machine_is_told_in_one_line(cause: str, note: str) -> None:
    transition = Transition(machine="account", event="locked", source="normal", dest="locked", at=1.0, cause=cause)
    line = written(lambda journal: journal.record_transitions([transition], KEYS, subject="5b" * 16, note=note))
    assert is_harmless(line.decode().rstrip("\n"))


@given(TEXTS)
def test_a_fault_tells_the_class_and_never_the_message(message: str) -> None:
    line = written(lambda journal: journal.record_fault(Reason.GUARD_FAULT, "load", ValueError(message), PAY, 1.0))
    assert line == written(lambda journal: journal.record_fault(Reason.GUARD_FAULT, "load", ValueError(), PAY, 1.0))


@given(TEXTS)
def test_another_systems_word_is_told_in_ascii(word: str) -> None:
    assert escape_text(word).isascii()
    assert is_harmless(escape_text(word))
    assert is_harmless(sanitize_text(word))


@given(TEXTS, TEXTS)
def test_two_names_are_never_written_alike(one: str, other: str) -> None:
    assert is_harmless(escape_name(one))
    assert len(escape_name(one)) <= 2 * MAX_NAME_LENGTH
    assert (escape_name(one) == escape_name(other)) == (one == other)


@pytest.mark.parametrize("pair", [("a\u202eb", "a\\u202eb"), ("\\", "\\\\"), ("x" * 600, "x" * 601), ("\n", "\\n")])
def test_names_that_could_be_written_alike_are_not(pair: tuple[str, str]) -> None:
    assert escape_name(pair[0]) != escape_name(pair[1])


@given(st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=91), max_size=MAX_NAME_LENGTH))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert escape_name(name) == name
