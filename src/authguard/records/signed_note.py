"""Checkpoints of a log as signed notes (C2SP tlog-checkpoint, signed-note, tlog-cosignature).

A note is three lines (origin, size, root: C2SP tlog-checkpoint), a blank line, and signature lines (C2SP signed-note).
The log signs twice: the note itself (Ed25519, type 0x01), and the note with its time (C2SP tlog-cosignature, 0x04).

Rules of this file:
- A signature of an unknown key is ignored; a wrong signature of a known key invalidates the note.
- The functions for signing and verification are passed in; this file does no cryptography.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    #: message -> 64-byte signature
    Sign = Callable[[bytes], bytes]
    #: public key, signature, message -> whether the signature is valid
    Check = Callable[[bytes, bytes, bytes], bool]

#: largest note in characters, and most signatures that are checked (signed-note: at least 16)
MAX_NOTE_CHARS: Final = 8_192
MAX_SIGNATURES: Final = 16
NOTE_SIGNATURE: Final = 0x01
COSIGNATURE: Final = 0x04

#: bytes of an encoded public key: kind of signature, Ed25519 key
KEY_BYTES: Final = 33

#: bytes of a cosignature: key id, time, Ed25519 signature
_TIMED_BYTES: Final = 4 + 8 + 64

_NAME: Final = re.compile(r"[^\s+]{1,200}")
_BODY: Final = re.compile(r"([^\n]{1,300})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n")
_SIGNATURE: Final = re.compile(r"— ([^\s+]{1,200}) ([A-Za-z0-9+/=]{1,400})\n")


def decode_base64(text: str) -> bytes:
    """Decode base64 (RFC 4648 4), accepting only the canonical encoding (RFC 4648 3.5).

    Raises:
        ValueError: the text is malformed or not canonical.
    """
    raw = b64decode(text, validate=True)
    if b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


class Key(Struct, frozen=True):
    """A public key and its name.

    Attributes:
        name: without spaces and plus signs.
        public: 32 bytes of Ed25519.
    """

    name: str
    public: bytes

    def id(self, kind: int) -> bytes:
        """Return the key id of a signature line: four bytes of a hash over name, kind and key (signed-note)."""
        return sha256(self.name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]

    def text(self) -> str:
        """Format the key as a verifier key: ``name+id+base64`` (signed-note)."""
        coded = b64encode(bytes([NOTE_SIGNATURE]) + self.public).decode()
        return f"{self.name}+{self.id(NOTE_SIGNATURE).hex()}+{coded}"


def parse_key(text: str) -> Key:
    """Parse a verifier key.

    Raises:
        ValueError: it is malformed, or its id belongs to another key.
    """
    parts = text.strip().split("+", 2)
    try:
        name, stated, coded = parts
        raw = decode_base64(coded)
    except ValueError:
        raise ValueError("a verifier key is `name+id+base64`, as `authguard audit keys show` prints it") from None
    key = Key(name, raw[1:])
    has_form = _NAME.fullmatch(name) and len(raw) == KEY_BYTES and raw[0] == NOTE_SIGNATURE
    if not (has_form and key.id(NOTE_SIGNATURE).hex() == stated):
        raise ValueError("the verifier key was changed: its id does not match")
    return key


class Checkpoint(Struct, frozen=True):
    """The signed statement of a note.

    Attributes:
        origin: name of the log.
        size: number of lines, from the first.
        root: Merkle root over them.
    """

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """Format the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class VerifiedNote(Struct, frozen=True):
    """A note with valid signatures.

    Attributes:
        checkpoint: the signed statement.
        at: signing time, epoch seconds UTC.
        keys: the known keys that signed in both forms.
    """

    checkpoint: Checkpoint
    at: int
    keys: tuple[Key, ...]


def _timed(body: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{body}".encode()


def sign_note(checkpoint: Checkpoint, at: int, signers: Collection[tuple[Key, Sign]]) -> str:
    """Format a note, signed by each key in both forms: plain, and with the time."""
    body = checkpoint.body()
    lines = []
    for key, sign in signers:
        plain = key.id(NOTE_SIGNATURE) + sign(body.encode())
        timed = key.id(COSIGNATURE) + at.to_bytes(8, "big") + sign(_timed(body, at))
        lines += [f"— {key.name} {b64encode(raw).decode()}\n" for raw in (plain, timed)]
    return f"{body}\n{''.join(lines)}"


def parse_checkpoint(note: str) -> Checkpoint | None:
    """Parse a note's checkpoint without verifying signatures; return ``None`` if it is malformed."""
    found = _BODY.match(note) if len(note) <= MAX_NOTE_CHARS else None
    if found is None or not note.startswith("\n", found.end()):
        return None
    try:
        return Checkpoint(found[1], int(found[2]), decode_base64(found[3]))
    except ValueError:
        return None


def count_signatures(note: str) -> int:
    """Return the number of signature lines of a note."""
    return note.count("\n— ")


def parse_time(note: str) -> int:
    """Return a note's signing time without verifying it, epoch seconds UTC; 0 if it has none."""
    for line in note.split("\n"):
        found = _SIGNATURE.fullmatch(line + "\n")
        try:
            raw = decode_base64(found[2]) if found else b""
        except ValueError:
            continue
        if len(raw) == _TIMED_BYTES:
            return int.from_bytes(raw[4:12], "big")
    return 0


def open_note(note: str, keys: Collection[Key], check: Check) -> VerifiedNote | None:
    """Verify a note; return ``None`` unless a known key signed both forms and no known key's signature is wrong."""
    checkpoint = parse_checkpoint(note)
    if checkpoint is None:
        return None
    body = checkpoint.body()
    lines = note[len(body) + 1 :].splitlines(keepends=True)
    if not 0 < len(lines) <= MAX_SIGNATURES:
        return None
    plain: set[Key] = set()
    times: dict[Key, int] = {}
    if not all(_verify_signature(line, body, keys, check, plain, times) for line in lines):
        return None
    good = tuple(key for key in times if key in plain)
    if not good or len({times[key] for key in good}) != 1:
        return None
    return VerifiedNote(checkpoint, times[good[0]], good)


def _verify_signature(  # noqa: PLR0917 - the last two are accumulators
    line: str, body: str, keys: Collection[Key], check: Check, plain: set[Key], times: dict[Key, int]
) -> bool:
    """Verify one signature line; return whether it is well-formed and, for a known key, valid."""
    found = _SIGNATURE.fullmatch(line)
    try:
        raw = decode_base64(found[2]) if found else b""
    except ValueError:
        return False
    for key in keys:
        if found is None or key.name != found[1]:
            continue
        if raw[:4] == key.id(NOTE_SIGNATURE):
            if not check(key.public, raw[4:], body.encode()):
                return False
            plain.add(key)
        elif raw[:4] == key.id(COSIGNATURE):
            at = int.from_bytes(raw[4:12], "big")
            if not check(key.public, raw[12:], _timed(body, at)):
                return False
            times[key] = at
    return found is not None
