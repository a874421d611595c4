"""Manipulations of a log in several files, each as somebody makes it who has the files but not the key.

Every function takes the folder; which files there are is told by their forms: stubs, then compressed, then plain ones,
then the one that is written. A place is ``form number``, as `place` reads it.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from authguard.audit import segment_file
from authguard.audit.bgzf import compress, open_decompressed
from authguard.records.merkle import Tree
from authguard.records.tombstone import format_retired_note, make_tombstone, parse_tombstone
from tests.audit.verify.tampering import LOG, rehash, split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tamper = Callable[[Path], None]

#: bytes of a bomb, inflated; a line of ours has 65,535
BOMB: Final = 128 * 1024 * 1024


def place(folder: Path, where: str) -> Path:
    """Find a file: ``stub 0`` is the oldest stub, ``gz -1`` the newest compressed one, ``live`` the one written."""
    form, _, number = where.partition(" ")
    if form == "live":
        return folder / LOG
    ending = {"stub": segment_file.TOMBSTONE_SUFFIX, "gz": segment_file.GZIP_SUFFIX, "plain": ""}[form]
    found = [one.path for one in segment_file.list_closed(folder / LOG) if one.form == ending]
    return found[int(number)]


def lines_of(path: Path) -> list[bytes]:
    if path.suffix != segment_file.GZIP_SUFFIX:
        return split(path.read_bytes())
    with open_decompressed(path.open("rb")) as file:
        return file.readlines()


def keep(path: Path, lines: list[bytes]) -> None:
    """Write lines in the form that the file's name has."""
    if path.suffix != segment_file.GZIP_SUFFIX:
        path.write_bytes(b"".join(lines))
        return
    with path.open("wb") as file:
        compress(BytesIO(b"".join(lines)), file)


def edit_lines(where: str, change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = place(folder, where)
        before = lines_of(path)
        after = change(list(before))
        assert after != before, "the manipulation changes nothing"
        keep(path, after)

    return tamper


def edit_stub(where: str, **changes: Any) -> Tamper:
    """Change members of a stub, and write it as a stub is written."""

    def tamper(folder: Path) -> None:
        path = place(folder, where)
        said = json.loads(path.read_bytes())
        said |= {name: change(said[name]) for name, change in changes.items()}
        path.write_bytes(json.dumps(said, separators=(",", ":")).encode() + b"\n")

    return tamper


def other_hex(text: str) -> str:
    return ("1" if text[0] == "0" else "0") + text[1:]


def swap(one: str, other: str) -> Tamper:
    def tamper(folder: Path) -> None:
        first, second = place(folder, one), place(folder, other)
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)

    return tamper


def remove(*places: str) -> Tamper:
    def tamper(folder: Path) -> None:
        for path in [place(folder, where) for where in places]:
            path.unlink()

    return tamper


def put(where: str, data: Callable[[Path], bytes]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = place(folder, where)
        path.write_bytes(data(path))

    return tamper


def link(where: str) -> Tamper:
    """Put a link to the very same bytes in a file's place: whoever has the target has the log."""

    def tamper(folder: Path) -> None:
        path = place(folder, where)
        shutil.move(path, folder.parent / "elsewhere")
        path.symlink_to(folder.parent / "elsewhere")

    return tamper


def pipe(where: str) -> Tamper:
    def tamper(folder: Path) -> None:
        path = place(folder, where)
        path.unlink()
        os.mkfifo(path)

    return tamper


def a_folder(where: str) -> Tamper:
    def tamper(folder: Path) -> None:
        path = place(folder, where)
        path.unlink()
        path.mkdir()

    return tamper


def own_stub(where: str, *, claim: bool = False) -> Tamper:
    """Put a stub in the place of a file, as the writer would, and claim in the log that it was the writer or not."""

    def tamper(folder: Path) -> None:
        path = place(folder, where)
        base = int(path.name.split(".")[2])
        lines = lines_of(path)
        stub = make_tombstone(lines, base, len(lines))
        assert stub is not None
        path.unlink()
        segment_file.segment_path(folder / LOG, base, segment_file.TOMBSTONE_SUFFIX).write_bytes(stub.encode())
        if claim:
            live = folder / LOG
            before = split(live.read_bytes())
            said = {"kind": "act", "id": "z", "at": 1, "policy": "ab", "act": "retired", "by": "audit"}
            body = json.dumps(said | {"note": format_retired_note(stub)}, separators=(",", ":"))[:-1].encode()
            live.write_bytes(b"".join([*before, *after(before[-1], body)]))

    return tamper


def after(line: bytes, body: bytes) -> list[bytes]:
    """Chain a record behind a line, as anybody can."""
    from hashlib import sha256  # noqa: PLC0415 - one manipulation

    seq = int(line.rsplit(b'"seq":', 1)[1].split(b",")[0])
    hashed = body + f',"v":2,"seq":{seq + 1},"prev":"{line[-67:-3].decode()}"'.encode()
    return [hashed + f',"hash":"{sha256(hashed).hexdigest()}"}}\n'.encode()]


def merge_stubs(folder: Path) -> None:
    """Make two stubs into one that proves the same."""
    first, second = (parse_tombstone(place(folder, f"stub {number}").read_bytes()) for number in (0, 1))
    assert first is not None
    assert second is not None
    gone = place(folder, "stub 1")
    said = json.loads(first.encode())
    said |= {"count": first.count + second.count, "last": second.last, "until": second.until}
    grown = Tree()
    first.append_to(grown)
    second.append_to(grown)
    said["blocks"] = [part.hex() for part in grown.edge]
    place(folder, "stub 0").write_bytes(json.dumps(said, separators=(",", ":")).encode() + b"\n")
    gone.unlink()


def again(folder: Path) -> None:
    """Repeat a segment under a later number."""
    path = place(folder, "gz 0")
    base = int(place(folder, "gz 1").name.split(".")[2]) - 1
    shutil.copy(path, segment_file.segment_path(folder / LOG, base, segment_file.GZIP_SUFFIX))


def renumber(folder: Path) -> None:
    """Give a segment another number."""
    path = place(folder, "gz 1")
    path.rename(segment_file.segment_path(folder / LOG, int(path.name.split(".")[2]) + 1, segment_file.GZIP_SUFFIX))


def fuller(folder: Path) -> None:
    """Put an edited plain file beside a compressed one: of two forms the fuller is read."""
    path = place(folder, "gz 0")
    lines = lines_of(path)
    lines[2] = lines[2].replace(b'"by":"dana"', b'"by":"erik"')
    segment_file.segment_path(folder / LOG, int(path.name.split(".")[2])).write_bytes(b"".join(lines))


def older_end(folder: Path) -> None:
    """Remove the file that is written, and let the last closed one be it."""
    (folder / LOG).unlink()
    place(folder, "plain -1").rename(folder / LOG)


def only_live(*, rewritten: bool) -> Tamper:
    """Remove every closed file, and give what is left fresh hashes from the beginning or not."""

    def tamper(folder: Path) -> None:
        for piece in segment_file.list_closed(folder / LOG):
            piece.path.unlink()
        if rewritten:
            (folder / LOG).write_bytes(b"".join(rehash(split((folder / LOG).read_bytes()))))

    return tamper


def bomb(_path: Path) -> bytes:
    """Make a compressed file of a few hundred kilobytes that inflates to much more, without a line's end."""
    made = BytesIO()
    zeros = BytesIO(b"0" * BOMB)
    compress(zeros, made)
    assert len(made.getvalue()) * 100 < BOMB
    return made.getvalue()


def forged(lines: list[bytes]) -> list[bytes]:
    """Change an approver and give the lines of the file fresh hashes, from the line before on."""
    prev = lines[0].rsplit(b'"prev":"', 1)[1][:64].decode()
    base = int(lines[0].rsplit(b'"seq":', 1)[1].split(b",")[0])
    made, head = [], prev
    for number, line in enumerate(lines):
        changed = line.replace(b'"by":"dana"', b'"by":"erik"') if number == 2 else line
        body = changed[: changed.rindex(b',"v":2,"seq":')]
        made += after(b'"seq":%d,%s"}\n' % (base + number - 1, b"x" + head.encode()), body)
        head = made[-1][-67:-3].decode()
    return made


#: what is done -> how, the file in which the flaw is found, its line (0: the whole file), and the flaw
FILES: Final[dict[str, tuple[Tamper, str, int, str]]] = {
    "a stub's count": (edit_stub("stub 0", count=lambda count: count + 1), "stub 0", 0, "unreadable"),
    "a stub's first hash": (edit_stub("stub 0", first=other_hex), "audit.checkpoints", 1, "wrong-origin"),
    "a later stub's first hash": (edit_stub("stub 1", first=other_hex), "stub 1", 0, "retirement-unrecorded"),
    "a stub's last hash": (edit_stub("stub 1", last=other_hex), "stub 2", 0, "tombstone-mismatch"),
    "the last stub's last hash": (edit_stub("stub -1", last=other_hex), "gz 0", 1, "misplaced"),
    "a stub's subtree": (
        edit_stub("stub 1", blocks=lambda all_: [other_hex(all_[0]), *all_[1:]]),
        "stub 1",
        0,
        "root-mismatch",
    ),
    "a stub's time": (edit_stub("stub 1", until=lambda until: until + 1), "stub 1", 0, "retirement-unrecorded"),
    "a stub's keys": (edit_stub("stub 1", offered=lambda _: ["x"]), "stub 1", 0, "retirement-unrecorded"),
    "a stub in another form": (put("stub 0", lambda path: b" " + path.read_bytes()), "stub 0", 0, "unreadable"),
    "two stubs exchanged": (swap("stub 0", "stub 1"), "stub 0", 0, "segment-missing"),
    "a stub twice": (
        put("stub 1", lambda path: place(path.parent, "stub 0").read_bytes()),
        "stub 1",
        0,
        "tombstone-mismatch",
    ),
    "a stub removed": (remove("stub 1"), "stub 2", 0, "segment-missing"),
    "the first stub removed": (remove("stub 0"), "stub 1", 0, "segment-missing"),
    "all stubs removed": (remove("stub 0", "stub 1", "stub 2"), "gz 0", 0, "segment-missing"),
    "a stub emptied": (put("stub 1", lambda _: b""), "stub 1", 0, "unreadable"),
    "two stubs made one": (merge_stubs, "stub 0", 0, "retirement-unrecorded"),
    "a stub that is a link": (link("stub 1"), "stub 1", 0, "unreadable"),
    "a stub in the place of lines": (own_stub("gz 1"), "gz 1>.tombstone", 0, "retirement-unrecorded"),
    "a stub in the place of lines, and a line that says so": (
        own_stub("gz 1", claim=True),
        "audit.jsonl",
        -1,
        "unauthorized-writer",
    ),
    "two compressed files exchanged": (swap("gz 0", "gz 1"), "gz 0", 1, "misplaced"),
    "a compressed file removed": (remove("gz 1"), "gz 2", 0, "segment-missing"),
    "a compressed file emptied": (put("gz 1", lambda _: b""), "gz 1", 0, "empty"),
    "a compressed file under another number": (renumber, "gz 1+1", 0, "segment-missing"),
    "a compressed file twice": (again, "gz 1-1", 1, "misplaced"),
    "a compressed file edited": (
        edit_lines("gz 1", lambda lines: [lines[0], lines[1].replace(b'"by":"dana"', b'"by":"erik"'), *lines[2:]]),
        *("gz 1", 2, "edited"),
    ),
    "the same, with fresh hashes": (edit_lines("gz 1", forged), "gz 1", 3, "root-mismatch"),
    "a compressed file's last line cut off": (
        edit_lines("gz 0", lambda lines: lines[:-1]),
        "gz 1",
        0,
        "segment-missing",
    ),
    "a bit of a compressed file": (
        put(
            "gz 0", lambda path: path.read_bytes()[:100] + bytes([path.read_bytes()[100] ^ 1]) + path.read_bytes()[101:]
        ),
        *("gz 0", 0, "unreadable"),
    ),
    "a compressed file's end cut off": (put("gz 0", lambda path: path.read_bytes()[:-40]), "gz 0", 0, "unreadable"),
    "bytes behind a compressed file": (put("gz 0", lambda path: path.read_bytes() + b"more"), "gz 0", 0, "unreadable"),
    "a decompression bomb": (put("gz 0", bomb), "gz 0", 1, "not-a-record"),
    "a bomb in common gzip": (put("gz 0", lambda _: gzip.compress(b"0" * BOMB, 1)), "gz 0", 0, "unreadable"),
    "a compressed file that is a link": (link("gz 0"), "gz 0", 0, "unreadable"),
    "a compressed file that is a pipe": (pipe("gz 0"), "gz 0", 0, "unreadable"),
    "a compressed file that is a folder": (a_folder("gz 0"), "gz 0", 0, "unreadable"),
    "an edited file beside a compressed one": (fuller, "gz 0>", 3, "edited"),
    "a closed file's last line cut off": (
        edit_lines("plain 0", lambda lines: lines[:-1]),
        "plain 1",
        0,
        "segment-missing",
    ),
    "a closed file torn": (
        edit_lines("plain 0", lambda lines: [*lines[:-1], lines[-1][:50]]),
        *("plain 0", -1, "torn"),
    ),
    "a closed file emptied": (put("plain 0", lambda _: b""), "plain 0", 0, "empty"),
    "a closed file that is a link": (link("plain 0"), "plain 0", 0, "unreadable"),
    "lines moved from one file to the next": (
        edit_lines("plain 1", lambda lines: [lines[0], *lines]),
        *("plain 1", 2, "misplaced"),
    ),
    "the file that is written removed": (remove("live"), "live", 0, "missing"),
    "the file that is written emptied": (put("live", lambda _: b""), "plain -1", -1, "truncated"),
    "the end removed, and the file before in its place": (older_end, "live", -2, "truncated"),
    "all closed files removed": (only_live(rewritten=False), "live", 1, "misplaced"),
    "the whole written anew, in one file": (only_live(rewritten=True), "audit.checkpoints", 1, "wrong-origin"),
}
