"""A log in several files against somebody who has them but not the key: every manipulation is found, and placed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from authguard.audit import segment_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find
from authguard.audit.verify.log_reader import LogReader
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from authguard.records.chain import ChainBreak
from tests.audit.desk import LOG, Desk, numbers
from tests.audit.verify.tampering import MANIPULATIONS
from tests.audit.verify.tampering_files import FILES, place

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Desk]:
    """Write a log of three stubs, some compressed files, two plain ones, and the one that is written."""
    home = tmp_path_factory.mktemp("kept")
    desk = Desk(home, RetentionPolicy(max_bytes=2_000, retention_s=40.0))
    sink = desk.open()
    for number in numbers(0, 120):
        desk.write(sink, number)
        desk.work()
        if len([one for one in segment_file.list_closed(desk.log) if one.is_tombstone]) >= 3:
            break
    assert desk.signer is not None
    for number in numbers(200, 220):
        desk.write(sink, number)
        desk.signer._try_sign()
    desk.clock.advance(1)
    sink.close()
    return home, desk


@pytest.fixture
def tampered(kept: tuple[Path, Desk], tmp_path: Path) -> Desk:
    home, desk = kept
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    copy = Desk(tmp_path)
    copy.keys = desk.keys
    return copy


def test_what_nobody_touched_verifies_and_has_files_of_every_form(tampered: Desk) -> None:
    found = tampered.verify()
    assert found.ok, found
    forms = [one.form for one in segment_file.list_segments(tampered.log)]
    assert forms == sorted(forms, key=[".tombstone", ".gz", ""].index)
    assert (forms.count(".tombstone"), forms.count(".gz") >= 2, forms.count("") >= 3) == (3, True, True)


@pytest.mark.parametrize("done", FILES)
def test_a_manipulation_is_found_in_its_file_at_its_line(tampered: Desk, done: str) -> None:
    tamper, where, line, flaw = FILES[done]
    expected = _expected(tampered, where)
    tamper(tampered.folder)
    found = tampered.verify()
    assert not found.ok
    (chain,) = found.chains
    assert isinstance(chain.result, ChainBreak)
    assert (chain.result.violation.value, chain.where.name) == (flaw, expected)
    assert line < 0 or chain.result.line == line


def _expected(desk: Desk, where: str) -> str:
    """Name the file: ``gz 1>.tombstone`` has its number and another form, ``gz 1+1`` its form and the next number."""
    if where.startswith("audit."):
        return where
    found, turned, form = where.partition(">")
    found, more = (found[:-2], int(found[-2:])) if found[-2] in "+-" and found[-3] != " " else (found, 0)
    path = place(desk.folder, found)
    if not turned and not more:
        return path.name
    base = int(path.name.split(".")[2]) + more
    return segment_file.segment_path(desk.log, base, form if turned else path.suffix).name


@pytest.mark.parametrize("done", FILES)
def test_whoever_asks_a_tampered_log_gets_an_answer_or_a_word_and_never_hangs(tampered: Desk, done: str) -> None:
    FILES[done][0](tampered.folder)
    LogReader(tampered.log).read_last(50)
    try:
        with open_index(tampered.log) as index:
            found = list(find(index, Query()))
    except AuditError:
        return
    assert all(one.intact or one.record.get("by") == "erik" for one in found if one.record)


def test_every_manipulation_of_files_is_a_further_one() -> None:
    assert not set(FILES) & set(MANIPULATIONS) - {"the same, with fresh hashes"}
    assert len(FILES) + len(MANIPULATIONS) >= 105
    assert LOG == "audit.jsonl"
