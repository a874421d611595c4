"""Manipulations of a signed log, each as somebody makes it who has the log's files but not its key.

Every function takes the folder of the log and changes it; all of them know the form of lines and of checkpoints, and
compute whatever needs no key: `rehash` gives every line its place, its predecessor and its hash anew.
"""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from authguard import signing_key
from authguard.audit.checkpoint_file import chain_origin, encode_line
from authguard.records.chain import GENESIS, VERSION
from authguard.records.merkle import Tree, leaf
from authguard.records.signed_note import Checkpoint, Key, sign_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Lines = list[bytes]

LOG: Final = "audit.jsonl"
SIGNED: Final = "audit.checkpoints"
SECOND: Final = "audit.1.jsonl"
_TAIL: Final = re.compile(rb',"v":2,"seq":[0-9]+,"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"\}\n$')


def split(data: bytes) -> Lines:
    return data.splitlines(keepends=True)


def read(folder: Path, name: str = LOG) -> Lines:
    return split((folder / name).read_bytes())


def write(folder: Path, lines: Lines, name: str = LOG) -> None:
    (folder / name).write_bytes(b"".join(lines))


def rehash(lines: Lines, version: int = VERSION) -> Lines:
    """Chain lines again from the first on, as anybody can, in any version of the format."""
    head, made = GENESIS, []
    for seq, line in enumerate(lines):
        body = _TAIL.sub(b"", line) + f',"v":{version},"seq":{seq},"prev":"{head}"'.encode()
        head = sha256(body).hexdigest()
        made.append(body + f',"hash":"{head}"}}\n'.encode())
    return made


def root(lines: Lines) -> bytes:
    tree = Tree()
    for line in lines:
        tree.add(leaf(line[:-1]))
    return tree.root()


def edit(change: Callable[[bytes], bytes], place: int = 20, *, rehashed: bool = False) -> Callable[[Path], None]:
    """Change one line, and give the rest fresh hashes or not."""

    def tamper(folder: Path) -> None:
        lines = read(folder)
        changed = change(lines[place])
        assert changed != lines[place], "the manipulation changes nothing"
        lines[place] = changed
        write(folder, rehash(lines) if rehashed else lines)

    return tamper


def arrange(change: Callable[[Lines], Lines], name: str = LOG, *, rehashed: bool = False) -> Callable[[Path], None]:
    """Change which lines there are, and give them fresh hashes or not."""

    def tamper(folder: Path) -> None:
        before = read(folder, name)
        lines = change(list(before))
        lines = rehash(lines) if rehashed else lines
        assert lines != before, "the manipulation changes nothing"
        write(folder, lines, name)

    return tamper


def swap(one: bytes, other: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line.replace(one, other, 1)


def resigned(folder: Path, lines: Lines, *, own_name: bool) -> None:
    """Write lines anew with checkpoints by a key of the attacker's own, under its name or under ours."""
    ours = json.loads(read(folder, SIGNED)[0])["note"].partition("/")[0]
    key = signing_key.generate_key("" if own_name else ours)
    lines = rehash(lines)
    name = chain_origin(key.key.name, lines[0][-67:-3].decode())
    note = sign_note(Checkpoint(name, len(lines), root(lines)), 1_800_000_000, [(key.key, key.sign)])
    write(folder, lines)
    (folder / SIGNED).write_bytes(encode_line(note))


def note_edit(change: Callable[[str], str], place: int = -1) -> Callable[[Path], None]:
    """Change one checkpoint's note."""

    def tamper(folder: Path) -> None:
        lines = read(folder, SIGNED)
        note = json.loads(lines[place])["note"]
        changed = change(note)
        assert changed != note, "the manipulation changes nothing"
        lines[place] = encode_line(changed)
        write(folder, lines, SIGNED)

    return tamper


def reroot(folder: Path) -> None:
    """Edit a line, give fresh hashes, and put the new root into every checkpoint, under the old signatures."""
    lines = read(folder)
    lines[20] = swap(b'"outcome":"deny"', b'"outcome":"allow"')(lines[20])
    lines = rehash(lines)
    write(folder, lines)
    notes = []
    for line in read(folder, SIGNED):
        name, size, _, rest = json.loads(line)["note"].split("\n", 3)
        notes.append(encode_line(f"{name}\n{size}\n{b64encode(root(lines[: int(size)])).decode()}\n{rest}"))
    write(folder, notes, SIGNED)


def both_cut(folder: Path) -> None:
    """Cut the log and its checkpoints back to an older checkpoint: by themselves they are whole."""
    notes = read(folder, SIGNED)[:2]
    size = int(json.loads(notes[-1])["note"].split("\n")[1])
    write(folder, read(folder)[:size])
    write(folder, notes, SIGNED)


def swap_files(folder: Path, one: str, other: str) -> None:
    shutil.move(folder / one, folder / "aside")
    shutil.move(folder / other, folder / one)
    shutil.move(folder / "aside", folder / other)


def splice(folder: Path) -> None:
    """Put another deployment's lines behind ours, chained anew."""
    write(folder, rehash(read(folder)[:30] + read(folder.parent / "other")[30:]))


def transplant(folder: Path) -> None:
    """Put another deployment's log, with its own good checkpoints, in the place of ours."""
    for name in (LOG, SIGNED):
        shutil.copy(folder.parent / "other" / name, folder / name)


def foreign_notes(folder: Path) -> None:
    shutil.copy(folder.parent / "other" / SIGNED, folder / SIGNED)


def second_notes(folder: Path) -> None:
    shutil.copy(folder / "audit.1.checkpoints", folder / SIGNED)


def remove(*names: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return tamper


def empty(*names: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(b"")

    return tamper


def endorse(folder: Path) -> None:
    """Claim in the log that the key was rotated to the attacker's, and sign with that."""
    ours = json.loads(read(folder, SIGNED)[0])["note"].partition("/")[0]
    key = signing_key.generate_key(ours)
    said = {"kind": "act", "id": "z", "at": 1, "policy": "ab", "act": "key.rotated", "by": "audit"}
    lines = read(folder)
    claim = json.dumps(said | {"note": key.key.text()}, separators=(",", ":"))[:-1].encode() + b"}\n"
    lines = rehash([*lines, claim[:-2] + b',"v":2,"seq":0,"prev":"' + b"0" * 64 + b'","hash":"' + b"0" * 64 + b'"}\n'])
    name = chain_origin(Key(ours, b"").name, lines[0][-67:-3].decode())
    note = sign_note(Checkpoint(name, len(lines), root(lines)), 1_900_000_000, [(key.key, key.sign)])
    write(folder, lines)
    write(folder, [*read(folder, SIGNED), encode_line(note)], SIGNED)


_IN = b'"outcome":"deny"'
_OUT = b'"outcome":"allow"'

#: what is done -> how, the file in which the flaw is found, its line (0: the whole file), and the flaw
MANIPULATIONS: Final[dict[str, tuple[Callable[[Path], None], str, int, str]]] = {
    "a denial made an admission": (edit(swap(_IN, _OUT)), LOG, 21, "edited"),
    "the same, with fresh hashes": (edit(swap(_IN, _OUT), rehashed=True), LOG, 20, "root-mismatch"),
    "the same, with fresh hashes and fresh roots": (reroot, SIGNED, 3, "bad-signature"),
    "one bit of a line": (edit(lambda line: line[:30] + bytes([line[30] ^ 1]) + line[31:]), LOG, 21, "edited"),
    "a forged approver": (edit(swap(b'"by":"dana"', b'"by":"erik"'), 24), LOG, 25, "edited"),
    "a forged approver, with fresh hashes": (
        edit(swap(b'"by":"dana"', b'"by":"erik"'), 24, rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "another person's act": (edit(swap(b'"subject":"s3"', b'"subject":"s4"'), rehashed=True), LOG, 20, "root-mismatch"),
    "the person taken out": (edit(swap(b',"subject":"s3"', b""), rehashed=True), LOG, 20, "root-mismatch"),
    "another rule": (edit(swap(b'"rule":"3:deny"', b'"rule":"4:deny"')), LOG, 21, "edited"),
    "another policy's digest": (
        edit(swap(b'"policy":"ab"', b'"policy":"cd"'), rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "another trace": (edit(swap(b'"trace_id":"%032x"' % 20, b'"trace_id":"%032x"' % 21)), LOG, 21, "edited"),
    "a time set back": (edit(swap(b'"at":1020.0', b'"at":20.0'), rehashed=True), LOG, 20, "root-mismatch"),
    "a time in the future": (edit(swap(b'"at":1020.0', b'"at":9999999999.0')), LOG, 21, "edited"),
    "a time in another form": (edit(swap(b'"at":1020.0', b'"at":1.02e3'), rehashed=True), LOG, 20, "root-mismatch"),
    "a letter as an escape": (edit(swap(b'"deny"', b'"\\u0064eny"'), rehashed=True), LOG, 20, "root-mismatch"),
    "a space": (edit(swap(b'"kind":', b'"kind": ')), LOG, 21, "edited"),
    "a space, with fresh hashes": (edit(swap(b'"kind":', b'"kind": '), rehashed=True), LOG, 20, "root-mismatch"),
    "a member twice": (edit(swap(_IN, _IN + b"," + _OUT), rehashed=True), LOG, 20, "root-mismatch"),
    "a member of no meaning": (edit(swap(_IN, _IN + b',"x":1'), rehashed=True), LOG, 20, "root-mismatch"),
    "members re-ordered": (
        edit(swap(b'"id":"r20","at":1020.0', b'"at":1020.0,"id":"r20"'), rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "a line's end as on Windows": (edit(lambda line: line[:-1] + b"\r\n"), LOG, 21, "not-a-record"),
    "a mark before the first byte": (edit(lambda line: b"\xef\xbb\xbf" + line, 0), LOG, 1, "edited"),
    "a line emptied": (edit(lambda _: b"\n"), LOG, 21, "not-a-record"),
    "a line filled with zeros": (edit(lambda line: b"\0" * (len(line) - 1) + b"\n"), LOG, 21, "not-a-record"),
    "a line's number": (edit(swap(b'"seq":20', b'"seq":21')), LOG, 21, "edited"),
    "a line deleted": (arrange(lambda lines: lines[:20] + lines[21:]), LOG, 21, "misplaced"),
    "a line deleted, with fresh hashes": (
        arrange(lambda lines: lines[:20] + lines[21:], rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "the first line deleted": (arrange(lambda lines: lines[1:]), LOG, 1, "misplaced"),
    "the first line deleted, with fresh hashes": (
        arrange(lambda lines: lines[1:], rehashed=True),
        SIGNED,
        1,
        "wrong-origin",
    ),
    "a line inserted": (arrange(lambda lines: [*lines[:20], lines[20], *lines[20:]]), LOG, 22, "misplaced"),
    "a line inserted, with fresh hashes": (
        arrange(lambda lines: [*lines[:20], swap(_IN, _OUT)(lines[20]), *lines[20:]], rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "lines twice, with fresh hashes": (
        arrange(lambda lines: lines[:30] + lines[10:], rehashed=True),
        LOG,
        28,
        "root-mismatch",
    ),
    "two lines exchanged": (
        arrange(lambda lines: [*lines[:20], lines[21], lines[20], *lines[22:]]),
        LOG,
        21,
        "misplaced",
    ),
    "two lines exchanged, with fresh hashes": (
        arrange(lambda lines: [*lines[:20], lines[21], lines[20], *lines[22:]], rehashed=True),
        LOG,
        20,
        "root-mismatch",
    ),
    "the whole turned round, with fresh hashes": (
        arrange(lambda lines: lines[::-1], rehashed=True),
        SIGNED,
        1,
        "wrong-origin",
    ),
    "the last line cut off": (arrange(lambda lines: lines[:-1]), LOG, 40, "truncated"),
    "the last ten lines cut off": (arrange(lambda lines: lines[:-10]), LOG, 31, "truncated"),
    "all but the first line cut off": (arrange(lambda lines: lines[:1]), LOG, 2, "truncated"),
    "cut off in the middle of a line": (arrange(lambda lines: [*lines[:-1], lines[-1][:40]]), LOG, 40, "truncated"),
    "the tail written anew": (
        arrange(lambda lines: lines[:30] + [swap(_IN, _OUT)(line) for line in lines[30:]], rehashed=True),
        LOG,
        28,
        "root-mismatch",
    ),
    "the log and its checkpoints cut alike": (both_cut, LOG, 20, "truncated"),
    "the log emptied": (empty(LOG), LOG, 0, "empty"),
    "the log emptied, and its checkpoints": (empty(LOG, SIGNED), LOG, 0, "empty"),
    "the log removed": (remove(LOG), LOG, 0, "missing"),
    "the log removed, and its checkpoints": (remove(LOG, SIGNED), LOG, 0, "missing"),
    "another writer's chain removed": (remove(SECOND, "audit.1.checkpoints"), "GONE", 0, "chain-missing"),
    "another writer's chain removed, its checkpoints left": (remove(SECOND), "GONE", 0, "chain-missing"),
    "two writers' chains exchanged": (lambda folder: swap_files(folder, LOG, SECOND), SIGNED, 1, "wrong-origin"),
    "the whole written anew": (
        lambda folder: write(folder, rehash([swap(_IN, _OUT)(line) for line in read(folder)])),
        LOG,
        2,
        "root-mismatch",
    ),
    "the whole written anew, signed by another key": (
        lambda folder: resigned(
            folder, [swap(b'"act":"opened"', b'"act":"begun"')(one) for one in read(folder)], own_name=True
        ),
        SIGNED,
        1,
        "wrong-origin",
    ),
    "the same, under our key's name": (
        lambda folder: resigned(folder, [swap(_IN, _OUT)(one) for one in read(folder)], own_name=False),
        SIGNED,
        1,
        "bad-signature",
    ),
    "a rotation to a key of one's own": (endorse, SIGNED, 8, "bad-signature"),
    "two deployments' logs spliced": (splice, LOG, 28, "root-mismatch"),
    "another deployment's log in its place": (transplant, SIGNED, 1, "wrong-origin"),
    "another deployment's checkpoints": (foreign_notes, SIGNED, 1, "wrong-origin"),
    "another writer's checkpoints": (second_notes, SIGNED, 1, "wrong-origin"),
    "the checkpoints removed": (remove(SIGNED), SIGNED, 1, "checkpoints-removed"),
    "the checkpoints emptied": (empty(SIGNED), SIGNED, 1, "checkpoints-removed"),
    "the checkpoints put back to older ones": (
        arrange(lambda lines: lines[:2], SIGNED),
        SIGNED,
        3,
        "checkpoints-removed",
    ),
    "the checkpoints re-ordered": (arrange(lambda lines: lines[::-1], SIGNED), SIGNED, 2, "checkpoint-rolled-back"),
    "the newest checkpoint first": (
        arrange(lambda lines: [lines[-1], *lines], SIGNED),
        SIGNED,
        2,
        "checkpoint-rolled-back",
    ),
    "a checkpoint's size": (note_edit(lambda note: re.sub(r"\n40\n", "\n39\n", note)), SIGNED, 7, "bad-signature"),
    "a checkpoint's signature": (
        note_edit(lambda note: note[:-12] + "AAAAAAAA" + note[-4:]),
        SIGNED,
        7,
        "bad-signature",
    ),
    "a checkpoint without its time": (
        note_edit(lambda note: "".join(note.splitlines(keepends=True)[:-1])),
        SIGNED,
        7,
        "bad-signature",
    ),
    "a checkpoint's form": (arrange(lambda lines: [*lines, b"{}\n"], SIGNED), SIGNED, 8, "bad-signature"),
}
