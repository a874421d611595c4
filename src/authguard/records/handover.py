"""Notes of the entries that mark a change of writer: its start, its end, and what it found.

``opened`` names the line that it follows and has a separate signature, so that a writer without the key cannot begin.
``closed`` is a writer's last line, so that only ``opened`` may follow it. Lines that a crash left unsigned are
``recovered``. Bytes that no writer with the key wrote are ``foreign`` and were moved to a file next to the log. A
person may accept either.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.records.entries import ActEntry
from authguard.records.signed_note import NOTE_SIGNATURE, decode_base64

if TYPE_CHECKING:
    from collections.abc import Collection

    from authguard.records.chain import ChainedLine
    from authguard.records.signed_note import Check, Key, Sign

OPENED: Final = "opened"
CLOSED: Final = "closed"
RECOVERED: Final = "recovered"
FOREIGN: Final = "foreign"
ADOPTED: Final = "adopted"
ACCEPTED: Final = "accepted"
#: acts that a strict verification reports
ANOMALY_ACTS: Final = frozenset({RECOVERED, FOREIGN, ADOPTED})
#: actor of entries about the log itself
AUDIT_ACTOR: Final = "audit"
#: seconds that the checkpoint thread may be late
CHECKPOINT_TOLERANCE_S: Final = 1.0

_OPENED: Final = re.compile(r"after ([0-9a-f]{64}), ([0-9a-f]{8}) ([A-Za-z0-9+/=]{1,100})")
_RECOVERED: Final = re.compile(
    r"lines ([0-9]{1,18}) to ([0-9]{1,18}), ([0-9]{1,12}) s; a checkpoint covers ([0-9]{1,12}) lines or ([0-9]{1,12}) s"
)
_FOREIGN: Final = re.compile(r"[0-9]+ bytes after line [0-9]+ are in ([^/]{1,255}), sha256 [0-9a-f]{64}")
_ACCEPTED: Final = re.compile(r"([0-9A-Za-z._-]{1,64}) .+: .+")


class Anomaly(Struct, frozen=True):
    """A report in the log about lines that no writer with the key vouched for at the time of writing.

    Attributes:
        kind: ``recovered``, ``foreign`` or ``adopted``.
        id: of the entry that reports it.
        place: names the lines: ``audit.jsonl:11-15``, or the file that they were moved to.
        words: description for operators.
        first: first line in the chain, from 1; 0 if the lines are not in it.
        last: last line, likewise.
        severe: whether a strict verification fails until a person accepts it.
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
    """Format the note of a writer's first entry.

    Args:
        key: that signs it.
        sign: signing function of that key.
        prev: hash of the previous line.
        record: id of the entry.
        at: time of the entry.
    """
    return f"after {prev}, {key.id(NOTE_SIGNATURE).hex()} {b64encode(sign(_message(prev, record, at))).decode()}"


def is_opened(found: ChainedLine, keys: Collection[Key] | None, check: Check | None = None) -> bool:
    """Return whether a line is the first entry of a writer that has the key.

    Args:
        found: the line.
        keys: one of them must have signed it; ``None`` skips the signature.
        check: verifies a signature.
    """
    entry = found.entry
    match = _OPENED.fullmatch(entry.note) if _is_own(entry, OPENED) and isinstance(entry, ActEntry) else None
    if match is None or match[1] != found.prev:
        return False
    if keys is None or check is None:
        return True
    try:
        signature = decode_base64(match[3])
    except ValueError:
        return False
    message = _message(found.prev, entry.id, entry.at)
    return any(key.id(NOTE_SIGNATURE).hex() == match[2] and check(key.public, signature, message) for key in keys)


def is_closed(found: ChainedLine) -> bool:
    """Return whether a line is a writer's last entry."""
    return _is_own(found.entry, CLOSED)


def _is_own(entry: object, act: str) -> bool:
    return type(entry) is ActEntry and entry.act == act and entry.by == AUDIT_ACTOR


def format_recovered_note(first: int, last: int, seconds: float, every: int, within: float) -> str:
    """Format the note about unsigned lines after a crash: their range from 1, duration, and the checkpoint limits."""
    return f"lines {first} to {last}, {seconds:.0f} s; a checkpoint covers {every} lines or {within:.0f} s"


def format_foreign_note(size: int, line: int, name: str, digest: str) -> str:
    """Format the note about moved bytes: size, the last line before them, the file, its SHA-256 in hex."""
    return f"{size} bytes after line {line} are in {name}, sha256 {digest}"


def format_accepted_note(anomaly: Anomaly, reason: str) -> str:
    """Format the note of an acceptance: the anomaly and a person's reason."""
    return f"{anomaly.id} {anomaly.place}: {reason}"


def parse_anomaly(found: ChainedLine, chain: str) -> Anomaly | None:
    """Return the anomaly that a line reports; ``None`` if it reports none.

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
    if entry.act == FOREIGN and (match := _FOREIGN.fullmatch(entry.note)):
        return Anomaly(FOREIGN, entry.id, match[1], f"foreign: {entry.note}", 0, 0, severe=True)
    if entry.act == RECOVERED and (match := _RECOVERED.fullmatch(entry.note)):
        first, last, seconds, every, within = map(int, match.groups())
        severe = last - first + 1 > every or seconds > within + CHECKPOINT_TOLERANCE_S
        place = f"{chain}:{first}-{last}"
        words = f"recovered: lines {first} to {last} were unsigned when their writer ended, {seconds} s of them"
        return Anomaly(RECOVERED, entry.id, place, words, first, last, severe=severe)
    return None


def parse_accepted_note(entry: object) -> str:
    """Return the id of the entry that a person accepted; empty if this entry is no acceptance."""
    if type(entry) is not ActEntry or entry.act != ACCEPTED or entry.by in {"", AUDIT_ACTOR}:
        return ""
    match = _ACCEPTED.fullmatch(entry.note)
    return match[1] if match else ""
