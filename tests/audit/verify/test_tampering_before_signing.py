"""Lines that somebody without the key changes after they were written and before they are signed.

The signer gets their leaves from the writer and reads only the last lines again. So it signs what was written, or
refuses; in both cases verification finds the change.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final

import pytest

from authguard.audit.write import checkpoint_signer
from authguard.audit.write.events import Part
from authguard.audit.write.leaf_buffer import LINES_PER_SLICE
from authguard.audit.write.leaf_reader import append_leaves
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from authguard.records.chain import ChainBreak
from tests.audit.desk import Desk, numbers
from tests.audit.verify.tampering import rehash, split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from authguard.audit.write.checkpoint_signer import CheckpointSigner
    from authguard.records.merkle import Tree

    Lines = list[bytes]

#: lines that are written before a manipulation, and those of them that are not signed
LINES: Final = 300
SIGNED: Final = 20
#: a line that the signer does not read again, from 0
PLACE: Final = 150


def edit(lines: Lines, place: int, *, length: bool = True) -> Lines:
    """Change the note of one line; keep the length of the line if asked."""
    begin = lines[place].index(b'"note":"') + 8
    changed = b"0" * (lines[place].index(b'"', begin) - begin) if length else b"changed"
    after = lines[place].index(b'"', begin)
    return [*lines[:place], lines[place][:begin] + changed + lines[place][after:], *lines[place + 1 :]]


#: changes of a file's lines that keep its length and the lines that the signer reads
UNREAD: Final[dict[str, Callable[[Lines], Lines]]] = {
    "edited in place": lambda lines: edit(lines, PLACE),
    "edited in place with its hash": (
        lambda lines: [*lines[:PLACE], rehash(edit(lines, PLACE))[PLACE], *lines[PLACE + 1 :]]
    ),
    "two exchanged": lambda lines: [*lines[:PLACE], lines[PLACE + 1], lines[PLACE], *lines[PLACE + 2 :]],
    "one repeated over the next": (lambda lines: [*lines[:PLACE], lines[PLACE], lines[PLACE], *lines[PLACE + 2 :]]),
    "zeroes": lambda lines: [*lines[:PLACE], bytes(len(lines[PLACE]) - 1) + b"\n", *lines[PLACE + 1 :]],
}
#: changes that the signer notices
NOTICED: Final[dict[str, Callable[[Lines], Lines]]] = {
    "all rewritten to the end": lambda lines: rehash(edit(lines, PLACE)),
    "the last edited": lambda lines: edit(lines, -1 % len(lines)),
    "the last rewritten": lambda lines: rehash(edit(lines, -1 % len(lines))),
    "one longer": lambda lines: edit(lines, PLACE, length=False),
    "one removed": lambda lines: [*lines[:PLACE], *lines[PLACE + 1 :]],
    "one removed and all rewritten": lambda lines: rehash([*lines[:PLACE], *lines[PLACE + 1 :]]),
    "one put in": lambda lines: [*lines[:PLACE], lines[PLACE], *lines[PLACE:]],
    "the last removed": lambda lines: lines[:-1],
    "all but the signed removed": lambda lines: lines[:SIGNED],
    "emptied": lambda _: [],
}
#: changes after the writer's last line, which is signed without them; the writer notices them
ADDED: Final[dict[str, Callable[[Lines], Lines]]] = {
    "a foreign one at the end": lambda lines: [*lines, b'{"kind":"act"}\n'],
    "a following one at the end": lambda lines: rehash([*lines, lines[-1]]),
}


def signer_of(desk: Desk) -> CheckpointSigner:
    assert desk.signer is not None
    return desk.signer


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, RetentionPolicy())


@pytest.mark.parametrize("done", UNREAD | NOTICED | ADDED)
@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "stops"])
def test_a_change_before_signing_is_found(desk: Desk, done: str, *, goes_on: bool) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, SIGNED))
    desk.work()
    desk.write(sink, *numbers(SIGNED, LINES))
    before = desk.log.read_bytes()
    after = b"".join((UNREAD | NOTICED | ADDED)[done](split(before)))
    assert after != before
    assert len(after) == len(before) or done not in UNREAD
    desk.log.write_bytes(after)
    assert signer_of(desk)._try_sign() is not (done in NOTICED)
    assert bool(signer_of(desk).events.find_failure(Part.SIGNING)) is (done in NOTICED)
    if goes_on:
        with nullcontext() if done in UNREAD or len(after) == len(before) else pytest.raises(AuditError):
            desk.write(sink, "more")
        signer_of(desk)._try_sign()
    with suppress(AuditError):
        sink.close()
    found = desk.verify()
    assert not found.ok
    if done in UNREAD:
        (broken,) = (one.result for one in found.chains if isinstance(one.result, ChainBreak))
        assert broken.line in {PLACE + 1, PLACE + 2}


def test_lines_that_were_not_changed_are_read_only_at_the_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(file: BinaryIO, tree: Tree, last: str, target: str) -> str:
        size = tree.size
        last = append_leaves(file, tree, last, target)
        read.append(tree.size - size)
        return last

    monkeypatch.setattr(checkpoint_signer, "append_leaves", counted)
    sink = desk.open()
    desk.write(sink, *numbers(0, 3))
    desk.work()
    desk.write(sink, *numbers(3, 1_500))
    desk.work()
    assert read[0] == 4
    assert 0 < read[1] <= LINES_PER_SLICE
    sink.close()
    assert desk.verify().ok
