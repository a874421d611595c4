"""How a chain passes from one writer to the next: what a writer says when it begins, when it ends and what it found.

``opened`` names the line that it follows and is signed by itself, so that nobody without the key can begin; ``closed``
is a writer's last line, so that only ``opened`` may follow it. What a crash left unsigned is ``recovered``, what nobody
with the key wrote is ``foreign`` and was moved to a file beside the log, and a person may accept either.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.core.entries import ActEntry
from authguard.core.signed_note import NOTE_SIGNATURE, decode_base64

if TYPE_CHECKING:
    from collections.abc import Collection

    from authguard.core.chain import ChainedLine
    from authguard.core.signed_note import Check, Key, Sign

OPENED: Final = "opened"
CLOSED: Final = "closed"
RECOVERED: Final = "recovered"
FOREIGN: Final = "foreign"
ADOPTED: Final = "adopted"
ACCEPTED: Final = "accepted"
#: acts that a strict verification looks at
ANOMALY_ACTS: Final = frozenset({RECOVERED, FOREIGN, ADOPTED})
#: who says what the log has to say of itself
AUDIT_ACTOR: Final = "audit"
#: seconds by which a thread may be late for a checkpoint
CHECKPOINT_TOLERANCE_S: Final = 1.0

_OPENED: Final = re.compile(r"after ([0-9a-f]{64}), ([0-9a-f]{8}) ([A-Za-z0-9+/=]{1,100})")
_RECOVERED: Final = re.compile(
    r"lines ([0-9]{1,18}) to ([0-9]{1,18}), ([0-9]{1,12}) s; a checkpoint covers ([0-9]{1,12}) lines or ([0-9]{1,12}) s"
)
_FOREIGN: Final = re.compile(r"[0-9]+ bytes behind line [0-9]+ are in ([^/]{1,255}), sha256 [0-9a-f]{64}")
_ACCEPTED: Final = re.compile(r"([0-9A-Za-z._-]{1,64}) .+: .+")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a log says of lines that no writer of ours vouched for when they were written.

    Attributes:
        kind: ``recovered``, ``foreign`` or ``adopted``.
        id: of the record that says so.
        place: names the lines: ``audit.jsonl:11-15``, or the file that they were moved to.
        words: what an operator is told.
        first: of the lines in the chain, from 1; 0 where they are not in it.
        last: as much.
        grave: whether a strict verification fails until a person accepts it.
    """

    kind: str
    id: str
    place: str
    words: str
    first: int
    last: int
    severe: bool


def _message(prev: str, record: str, at: float) -> bytes:
    return f"authguard opened/v1\n{prev}\n{record}\n{at!r}\n".encode()


def format_opened_note(key: Key, sign: Sign, prev: str, record: str, at: float) -> str:
    """Write what a writer begins with.

    Args:
        key: that signs it.
        sign: of that key.
        prev: hash of the line that it follows.
        record: id of the record.
        at: time of the record.
    """
    return f"after {prev}, {key.id(NOTE_SIGNATURE).hex()} {b64encode(sign(_message(prev, record, at))).decode()}"


def is_opened(found: ChainedLine, keys: Collection[Key] | None, check: Check | None = None) -> bool:
    """Whether a line is the first of a writer that has the key.

    Args:
        found: the line.
        keys: one of which has to have signed it; ``None`` where there is none to hold it against.
        check: of signatures.
    """
    entry = found.entry
    said = _OPENED.fullmatch(entry.note) if _is_own(entry, OPENED) and isinstance(entry, ActEntry) else None
    if said is None or said[1] != found.prev:
        return False
    if keys is None or check is None:
        return True
    try:
        signature = decode_base64(said[3])
    except ValueError:
        return False
    message = _message(found.prev, entry.id, entry.at)
    return any(key.id(NOTE_SIGNATURE).hex() == said[2] and check(key.public, signature, message) for key in keys)


def is_closed(found: ChainedLine) -> bool:
    """Whether a line is the last of a writer."""
    return _is_own(found.entry, CLOSED)


def _is_own(entry: object, act: str) -> bool:
    return type(entry) is ActEntry and entry.act == act and entry.by == AUDIT_ACTOR


def format_recovered_note(first: int, last: int, seconds: float, every: int, within: float) -> str:
    """Write what a crash left unsigned: the lines, from 1, how long they took, and what a checkpoint covers at most."""
    return f"lines {first} to {last}, {seconds:.0f} s; a checkpoint covers {every} lines or {within:.0f} s"


def format_foreign_note(size: int, line: int, name: str, digest: str) -> str:
    """Write what was moved aside: bytes, the line behind which they stood, the file, its SHA-256 in hexadecimal."""
    return f"{size} bytes behind line {line} are in {name}, sha256 {digest}"


def format_accepted_note(mark: Anomaly, reason: str) -> str:
    """Write what a person accepted, and why."""
    return f"{mark.id} {mark.place}: {reason}"


def parse_anomaly(found: ChainedLine, chain: str) -> Anomaly | None:
    """Read what a line says of others; ``None`` where it says nothing of the kind.

    Args:
        found: the line.
        chain: name of the chain's file.
    """
    entry = found.entry
    if type(entry) is not ActEntry or entry.by != AUDIT_ACTOR:
        return None
    if entry.act == ADOPTED:
        words = f"adopted: lines 1 to {found.seq} were signed later than they were written"
        return Anomaly(ADOPTED, entry.id, f"{chain}:1-{found.seq}", words, 1, found.seq, severe=True)
    if entry.act == FOREIGN and (said := _FOREIGN.fullmatch(entry.note)):
        return Anomaly(FOREIGN, entry.id, said[1], f"foreign: {entry.note}", 0, 0, severe=True)
    if entry.act == RECOVERED and (said := _RECOVERED.fullmatch(entry.note)):
        first, last, seconds, every, within = map(int, said.groups())
        severe = last - first + 1 > every or seconds > within + CHECKPOINT_TOLERANCE_S
        place = f"{chain}:{first}-{last}"
        words = f"recovered: lines {first} to {last} were unsigned when their writer ended, {seconds} s of them"
        return Anomaly(RECOVERED, entry.id, place, words, first, last, severe=severe)
    return None


def parse_accepted_note(entry: object) -> str:
    """Read which record a person accepted; empty where the entry is no such act."""
    if type(entry) is not ActEntry or entry.act != ACCEPTED or entry.by in {"", AUDIT_ACTOR}:
        return ""
    said = _ACCEPTED.fullmatch(entry.note)
    return said[1] if said else ""
