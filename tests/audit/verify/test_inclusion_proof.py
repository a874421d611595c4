"""Proofs of one record: the published ones come out, ours are checked without the log, and nothing else is."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.verify.inclusion_proof import HEADER, MAX_PROOF_CHARS, ProofError, create_proof, verify_proof
from authguard.audit.verify.log_reader import decode_line
from authguard.errors import AuditError
from authguard.records.chain import GENESIS, format_line
from authguard.records.merkle import Tree, leaf, root_of
from authguard.records.merkle import prove as prove_leaf
from authguard.records.signed_note import Checkpoint, sign_note
from tests.audit.logs import acted
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

#: the test data of RFC 6962's authors: leaves, the root of all eight, and inclusion proofs (RFC 6962 2.1.1)
LEAVES = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
PUBLISHED = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
KEY, OTHER = signing_key.generate_key("desk"), signing_key.generate_key("desk")
KEYS = (KEY.key,)
LINES = 11


@pytest.mark.parametrize("place", sorted(PUBLISHED))
def test_the_published_proofs_come_out(place: tuple[int, int]) -> None:
    index, size = place
    hashes = [leaf(data) for data in LEAVES]
    made = prove_leaf(hashes, index, size)
    assert tuple(one.hex() for one in made) == PUBLISHED[place]
    assert root_of(hashes[index], index, size, made).hex() == ROOT


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a log of eleven lines, of which four and then ten are signed."""
    path = tmp_path_factory.mktemp("proofs") / "audit.jsonl"
    skip_validation(path)
    lines, head, tree = [], GENESIS, Tree()
    for seq in range(LINES):
        line, head = format_line(acted(f"r{seq}", seq, "started"), seq, head)
        lines.append(line)
        tree.add(leaf(line[:-1]))
        if tree.size in {4, 10}:
            name = checkpoint_file.chain_origin("desk", lines[0][-67:-3].decode())
            note = sign_note(Checkpoint(name, tree.size, tree.root()), 1_800_000_000 + seq, [(KEY.key, KEY.sign)])
            checkpoint_file.append_note(checkpoint_file.checkpoint_path(path), note)
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("index", range(10))
def test_each_signed_record_is_proved_under_the_first_checkpoint_that_covers_it(log: Path, index: int) -> None:
    found = verify_proof(
        create_proof(log, f"r{index}", KEYS, signing_key.verify_signature), [KEY.key], signing_key.verify_signature
    )
    assert (found.index, found.size) == (index, 4 if index < 4 else 10)
    assert found.line == log.read_bytes().splitlines(keepends=True)[index]
    assert found.key == KEY.key


def test_what_is_not_signed_yet_or_not_there_is_said_so(log: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no checkpoint covers"):
        create_proof(log, "r10", KEYS, signing_key.verify_signature)
    with pytest.raises(AuditError, match="no chain"):
        create_proof(log, "none", KEYS, signing_key.verify_signature)
    (tmp_path / "audit.jsonl").write_bytes(log.read_bytes())
    skip_validation(tmp_path)
    with pytest.raises(AuditError, match="not signed"):
        create_proof(tmp_path / "audit.jsonl", "r1", KEYS, signing_key.verify_signature)


def test_a_log_that_was_changed_proves_nothing(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    skip_validation(tmp_path)
    lines = log.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], lines[6], lines[5], *lines[7:]]))
    checkpoint_file.checkpoint_path(path).write_bytes(checkpoint_file.checkpoint_path(log).read_bytes())
    with pytest.raises(AuditError, match="does not match its checkpoint"):
        create_proof(path, "r9", KEYS, signing_key.verify_signature)


def test_another_key_of_the_same_name_proves_nothing(log: Path) -> None:
    with pytest.raises(AuditError, match="not signed by the key"):
        verify_proof(
            create_proof(log, "r5", KEYS, signing_key.verify_signature), [OTHER.key], signing_key.verify_signature
        )
    with pytest.raises(ProofError, match="not signed by the key"):
        create_proof(log, "r5", (OTHER.key,), signing_key.verify_signature)


def test_no_change_of_a_proof_is_taken(log: Path) -> None:
    text = create_proof(log, "r5", KEYS, signing_key.verify_signature)
    assert verify_proof(text, [KEY.key], signing_key.verify_signature)
    for place in range(len(text)):
        spoilt = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(AuditError):
            verify_proof(spoilt, [KEY.key], signing_key.verify_signature)


@pytest.mark.parametrize("hashes", ["none", "one less", "one more", "turned round"])
def test_a_path_of_another_form_is_not_taken(log: Path, hashes: str) -> None:
    text = create_proof(log, "r5", KEYS, signing_key.verify_signature)
    head, body = text.split("\nindex 5\n")
    path, _, note = body.partition("\n\n")
    lines = path.split("\n")
    match hashes:
        case "none":
            lines = []
        case "one less":
            lines.pop()
        case "one more":
            lines.append(b64encode(bytes(32)).decode())
        case _:
            lines.reverse()
    path = "".join(line + "\n" for line in lines)
    spoilt = f"{head}\nindex 5\n{path}\n{note}"
    with pytest.raises(AuditError):
        verify_proof(spoilt, [KEY.key], signing_key.verify_signature)


def test_another_record_under_the_same_proof_is_not_taken(log: Path) -> None:
    text = create_proof(log, "r5", KEYS, signing_key.verify_signature)
    line = b64decode(text.splitlines()[1].removeprefix("extra "))
    forged, _ = format_line(acted("r5", 5, "stopped"), 5, decode_line(line)["prev"])
    spoilt = text.replace(b64encode(line).decode(), b64encode(forged).decode())
    with pytest.raises(AuditError, match="does not cover"):
        verify_proof(spoilt, [KEY.key], signing_key.verify_signature)


@pytest.mark.parametrize("text", ["", HEADER, "x" * (MAX_PROOF_CHARS + 1), HEADER + "\nextra !!\nindex 0\n\n"])
def test_what_is_no_proof_is_said_so(text: str) -> None:
    with pytest.raises(AuditError, match="not a proof"):
        verify_proof(text, [KEY.key], signing_key.verify_signature)
