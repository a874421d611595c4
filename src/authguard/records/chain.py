"""Hash chain of the audit log: format an entry as a line that names its predecessor, and find the first broken line.

A line is the entry's JSON with ``,"v":2,"seq":N,"prev":"<64 hex>","hash":"<64 hex>"}`` and a newline at its end. ``v``
is the version of the line format. ``hash`` is the SHA-256 of the line's own bytes before ``,"hash":"``. ``prev`` is the
hash of the previous line, `GENESIS` in the first. ``seq`` counts from 0, as the leaves of a tree do (RFC 9162 2.1).

Rules of this file:
- The stored bytes are hashed, never a second encoding of them.
- A finding is a value, never an exception.
- A chain alone does not reveal a cut at a line boundary or a complete rewrite; that takes signed checkpoints.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authguard.records.entries import DecisionEntry, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GENESIS: Final = "0" * 64
#: version of the line format, the ``v`` of each line; `format_line` and `render_line` spell it out for speed
VERSION: Final = 2
#: longest line in bytes with its newline: an entry of a tile log has a 16-bit length (C2SP tlog-tiles)
MAX_LINE_BYTES: Final = 65_535

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entry).decode
_LINK: Final = re.compile(rb',"v":2,"seq":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n')
#: a line of any version: its version and its hash
_ANY_VERSION: Final = re.compile(
    rb',"v":([1-9][0-9]{0,8}),"seq":(?:0|[1-9][0-9]{0,17}),"prev":"[0-9a-f]{64}","hash":"([0-9a-f]{64})"\}\n'
)
#: bytes of a line after the hashed ones: ``,"hash":"``, 64 digits, ``"}`` and the newline
HASH_SUFFIX_BYTES: Final = 76


class Violation(StrEnum):
    """Integrity violations of a log: of a line, of a file or of its checkpoints."""

    OLDER_VERSION = "older-version"
    NEWER_VERSION = "newer-version"
    EDITED = "edited"
    MISPLACED = "misplaced"
    TORN = "torn"
    NOT_A_RECORD = "not-a-record"
    EMPTY = "empty"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad-signature"
    WRONG_ORIGIN = "wrong-origin"
    ROOT_MISMATCH = "root-mismatch"
    CHECKPOINT_ROLLED_BACK = "checkpoint-rolled-back"
    TRUNCATED = "truncated"
    CHECKPOINTS_REMOVED = "checkpoints-removed"
    CHAIN_MISSING = "chain-missing"
    MEMORY_UNREADABLE = "memory-unreadable"
    SEGMENT_MISSING = "segment-missing"
    TOMBSTONE_MISMATCH = "tombstone-mismatch"
    RETIREMENT_UNRECORDED = "retirement-unrecorded"
    UNAUTHORIZED_WRITER = "unauthorized-writer"
    INACCESSIBLE = "inaccessible"
    CHECKPOINTS_INCOMPLETE = "checkpoints-incomplete"

    @property
    def message(self) -> str:
        """Return the message for an operator."""
        return _MESSAGES[self]


#: violations of a line that is intact, but of another version of the format
VERSION_VIOLATIONS: Final = frozenset({Violation.OLDER_VERSION, Violation.NEWER_VERSION})
_MESSAGES: Final = {
    Violation.OLDER_VERSION: (
        "written by an older version of authguard: verify it with that version, archive it, and start a new log"
    ),
    Violation.NEWER_VERSION: "written by a newer version of authguard: upgrade this one",
    Violation.EDITED: "the line was edited: its bytes do not match its hash",
    Violation.MISPLACED: "the line does not follow the line before it: lines were deleted, inserted or reordered",
    Violation.TORN: "the last line is incomplete: after a crash, or because it was cut",
    Violation.NOT_A_RECORD: "the line is not a record of this log",
    Violation.EMPTY: "the file is empty: a log begins with a record of its start",
    Violation.MISSING: "the file does not exist",
    Violation.UNREADABLE: "the file cannot be read",
    Violation.UNSIGNED: "no checkpoint of the key covers it: the file was replaced, or its checkpoints removed",
    Violation.BAD_SIGNATURE: "the checkpoint is not signed by the key, or was changed",
    Violation.WRONG_ORIGIN: "the checkpoint signs another chain: files were swapped or combined",
    Violation.ROOT_MISMATCH: "the lines from here to the next checkpoint are not the signed lines: they were changed",
    Violation.CHECKPOINT_ROLLED_BACK: "the checkpoint is older than the one before it: they were reordered or repeated",
    Violation.TRUNCATED: "the file ends here, but more lines were signed: its end was cut off",
    Violation.CHECKPOINTS_REMOVED: "the checkpoints end here, but more were signed: they were removed or rolled back",
    Violation.CHAIN_MISSING: "a signed chain is missing: it was removed or replaced (archived? name it with `--also`)",
    Violation.SEGMENT_MISSING: "lines before this file are missing: a segment was removed, renamed or swapped",
    Violation.TOMBSTONE_MISMATCH: "the tombstone does not follow the line before it, or is invalid: edited or swapped",
    Violation.RETIREMENT_UNRECORDED: "a tombstone replaces lines, but no signed line records it: they were removed",
    Violation.UNAUTHORIZED_WRITER: "a writer without the key added the line after the last line of a finished writer",
    Violation.CHECKPOINTS_INCOMPLETE: "checkpoints that the log records as kept are missing: they were removed",
    Violation.INACCESSIBLE: "the file cannot be read now, so it was not verified: check its mode, owner and disk",
    Violation.MEMORY_UNREADABLE: "the writers' memory of their newest checkpoints is damaged",
}


class ChainedLine(Struct, frozen=True):
    """One line whose bytes have the hash that it states.

    Attributes:
        entry: the decoded entry.
        seq: position in the chain, from 0.
        prev: hash of the previous line.
        hash: hash of this line.
    """

    entry: Entry
    seq: int
    prev: str
    hash: str


class ChainBreak(Struct, frozen=True):
    """The first break in a run of lines.

    Attributes:
        line: line number from 1; 0 if there is no line at all.
        violation: kind of break.
    """

    line: int
    violation: Violation


class IntactChain(Struct, frozen=True):
    """A run of lines without a break.

    Attributes:
        lines: number of lines, at least one.
        head: hash of the last line.
    """

    lines: int
    head: str


def format_line(entry: Entry, seq: int, prev: str) -> tuple[bytes, str]:
    """Format an entry as the next line of a chain.

    Args:
        entry: the content of the line.
        seq: number of lines before it.
        prev: hash of the previous line, 64 hex digits; `GENESIS` for the first.

    Returns:
        The line with its newline, and its hash, 64 hex digits.

    Raises:
        ValueError: a text of the entry is not valid Unicode (a lone surrogate).
    """
    hashed = _encode(entry)[:-1] + f',"v":2,"seq":{seq},"prev":"{prev}"'.encode()
    digest = sha256(hashed).hexdigest()
    return hashed + f',"hash":"{digest}"}}\n'.encode(), digest


class LineTemplate(msgspec.Struct, frozen=True, gc=False):
    """The line of a repeated decision without its id, time, trace and properties of the request.

    Attributes:
        decided: bytes between the time and the subject; one copy is shared by all subjects with the same decision.
        about: bytes from the subject to the properties of the request.
    """

    decided: bytes
    about: bytes


def make_template(entry: DecisionEntry) -> LineTemplate:
    """Return the parts of a decision's line that do not change when it is repeated."""
    whole = _encode(replace(entry, trace_id="", peer="", method="", path="", facts={}))
    begins = whole.index(b',"policy":')
    # quotes inside a text are escaped, so this match is the field itself
    ends = whole.find(b',"subject":"', begins)
    ends = len(whole) - 1 if ends < 0 else ends
    return LineTemplate(whole[begins:ends], whole[ends:-1])


def add_properties(template: LineTemplate, peer: str, method: str, path: str) -> LineTemplate:
    """Return the template with properties of one request, as `authguard.records.entries.DecisionEntry` has them.

    Args:
        template: of the decision.
        peer: name of the client's address; empty for none.
        method: HTTP method; empty for none.
        path: path template; empty for none.
    """
    members = ((b"peer", peer), (b"method", method), (b"path", path))
    added = b"".join(b',"%b":%b' % (name, _encode(value)) for name, value in members if value)
    return LineTemplate(template.decided, template.about + added)


def render_line(  # noqa: PLR0917 - hot path: keyword arguments would cost as much as the hash
    template: LineTemplate, record: str, at: float, trace: str, seq: int, prev: str
) -> tuple[bytes, str]:
    """Render the line of a repeated decision; the result equals `format_line` for the same id, time and trace.

    Args:
        template: of the decision.
        record: id, of the letters and digits that the port `authguard.ports.Ids` returns.
        at: epoch seconds UTC, finite.
        trace: W3C trace id; empty for none.
        seq: number of lines before it.
        prev: hash of the previous line.
    """
    traced = f',"trace_id":"{trace}"' if trace else ""
    hashed = b"".join(
        (
            f'{{"kind":"decision","id":"{record}","at":'.encode(),
            _encode(at),  # takes a sixth of the time of `repr`
            template.decided,
            template.about,
            f'{traced},"v":2,"seq":{seq},"prev":"{prev}"'.encode(),
        )
    )
    digest = sha256(hashed).hexdigest()
    return hashed + f',"hash":"{digest}"}}\n'.encode(), digest


def parse_line(line: bytes) -> ChainedLine | Violation:
    """Validate one line by itself: its format, its hash, and that it holds an entry.

    Args:
        line: with its newline, if it has one.
    """
    if not line.endswith(b"\n"):
        return Violation.TORN if len(line) <= MAX_LINE_BYTES else Violation.NOT_A_RECORD
    # quotes inside a text are escaped, so the last match is the link itself
    found = _LINK.fullmatch(line, max(line.rfind(b',"v":2,"seq":'), 0))
    if len(line) > MAX_LINE_BYTES:
        return Violation.NOT_A_RECORD
    if found is None:
        return _classify_version(line)
    seq, prev, stated = found.groups()
    if sha256(line[:-HASH_SUFFIX_BYTES]).hexdigest().encode() != stated:
        return Violation.EDITED
    try:
        entry = _decode(line)
    except ValueError:
        return Violation.NOT_A_RECORD
    return ChainedLine(entry, int(seq), prev.decode(), stated.decode())


def has_stated_hash(line: bytes) -> bool:
    """Return whether a line has the link of this version and the hash that it states; its entry is not decoded."""
    found = _LINK.fullmatch(line, max(line.rfind(b',"v":2,"seq":'), 0))
    return found is not None and sha256(line[:-HASH_SUFFIX_BYTES]).hexdigest().encode() == found[3]


def _classify_version(line: bytes) -> Violation:
    """Tell an intact line of another version from a line that is no record."""
    found = _ANY_VERSION.fullmatch(line, max(line.rfind(b',"v":'), 0))
    if found is None or sha256(line[:-HASH_SUFFIX_BYTES]).hexdigest().encode() != found[2]:
        return Violation.NOT_A_RECORD
    return Violation.OLDER_VERSION if int(found[1]) < VERSION else Violation.NEWER_VERSION


def iter_chain(lines: Iterable[bytes], seq: int = 0, prev: str = GENESIS) -> Iterator[ChainedLine | ChainBreak]:
    """Validate a chain line by line, in constant memory.

    Args:
        lines: of the chain.
        seq: number of the first of them, from 0.
        prev: hash of the line before the first.

    Yields:
        Every line up to the first break, then the break and nothing after it; a break's line counts from the chain's
            first.
    """
    begin = seq
    for line in lines:
        found = parse_line(line)
        if isinstance(found, ChainedLine) and (found.seq, found.prev) != (seq, prev):
            found = Violation.MISPLACED
        if not isinstance(found, ChainedLine):
            yield ChainBreak(seq + 1, found)
            return
        yield found
        seq, prev = seq + 1, found.hash
    if seq == begin:
        yield ChainBreak(0, Violation.EMPTY)


def verify_chain(lines: Iterable[bytes]) -> IntactChain | ChainBreak:
    """Return the first break of a chain, or its length and head; a chain without a line is broken."""
    found: ChainedLine | ChainBreak = ChainBreak(0, Violation.EMPTY)
    for found in iter_chain(lines):  # noqa: B007 - only the last item counts
        pass
    return found if isinstance(found, ChainBreak) else IntactChain(found.seq + 1, found.hash)
