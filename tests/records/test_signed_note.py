"""Signed notes: vectors of other implementations, and rejection of every malformed note."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from authguard import signing_key
from authguard.records.signed_note import (
    COSIGNATURE,
    MAX_NOTE_CHARS,
    MAX_SIGNATURES,
    NOTE_SIGNATURE,
    Checkpoint,
    Key,
    open_note,
    parse_checkpoint,
    parse_key,
    sign_note,
)

#: the vector of Go's `golang.org/x/mod/sumdb/note`, from which C2SP's signed-note was written down
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_OWN = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETERS_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
#: the key of Go's checksum database
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#: the root of eight leaves in the test data of RFC 6962's authors
ROOT = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")

DESK, OTHER = signing_key.generate_key("desk.example/log"), signing_key.generate_key("other")
POINT = Checkpoint("desk.example/log/00", 8, ROOT)
AT = 1_800_000_000


def note(*keys: signing_key.SigningKey, at: int = AT) -> str:
    return sign_note(POINT, at, [(key.key, key.sign) for key in keys or (DESK,)])


def open_it(text: str, *keys: signing_key.SigningKey) -> object:
    return open_note(text, [key.key for key in keys or (DESK,)], signing_key.verify_signature)


@pytest.mark.parametrize("text", [PETER, SUMDB])
def test_the_keys_of_others_are_read_and_written(text: str) -> None:
    key = parse_key(text)
    assert key.text() == text
    assert key.id(NOTE_SIGNATURE).hex() == text.split("+")[1]


def test_a_signature_of_another_implementation_is_ours_to_the_byte() -> None:
    (key,) = signing_key.parse_keys(PETERS_OWN, "here")
    assert key.key == parse_key(PETER)
    made = key.key.id(NOTE_SIGNATURE) + key.sign(PETERS_TEXT.encode())
    assert f"— {key.key.name} {b64encode(made).decode()}\n" == PETERS_LINE
    assert signing_key.verify_signature(key.key.public, made[4:], PETERS_TEXT.encode())


def test_a_checkpoint_is_three_lines() -> None:
    assert POINT.body() == "desk.example/log/00\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
    assert parse_checkpoint(note()) == POINT


def test_a_note_is_signed_plainly_and_with_its_time_as_a_witness_does() -> None:
    body, _, lines = note().partition("\n\n")
    plain, timed = (b64decode(line.split(" ")[2]) for line in lines.splitlines())
    public = Ed25519PublicKey.from_public_bytes(DESK.key.public)
    assert plain[:4] == sha256(b"desk.example/log\n\x01" + DESK.key.public).digest()[:4]
    public.verify(plain[4:], f"{body}\n".encode())
    assert timed[:4] == sha256(b"desk.example/log\n\x04" + DESK.key.public).digest()[:4]
    assert int.from_bytes(timed[4:12], "big") == AT
    public.verify(timed[12:], f"cosignature/v1\ntime {AT}\n{body}\n".encode())


def test_a_note_that_is_good_opens_with_its_time_and_its_keys() -> None:
    found = open_note(note(DESK, OTHER), [DESK.key, OTHER.key], signing_key.verify_signature)
    assert found is not None
    assert (found.checkpoint, found.at, found.keys) == (POINT, AT, (DESK.key, OTHER.key))


def test_an_unknown_keys_signature_says_nothing() -> None:
    assert open_it(note(DESK, OTHER))
    assert not open_it(note(OTHER))
    strange = f"— strange {b64encode(bytes(68)).decode()}\n"
    assert open_it(note() + strange)


def changed(text: str, line: int, byte: int) -> str:
    """Change one byte of a signature line's content."""
    lines = text.splitlines(keepends=True)
    head, _, coded = lines[line].rstrip("\n").rpartition(" ")
    raw = bytearray(b64decode(coded))
    raw[byte] ^= 1
    lines[line] = f"{head} {b64encode(bytes(raw)).decode()}\n"
    return "".join(lines)


@pytest.mark.parametrize(("line", "byte"), [(4, 4), (4, 67), (5, 4), (5, 11), (5, 12), (5, 75)])
def test_a_known_keys_wrong_signature_spoils_the_note(line: int, byte: int) -> None:
    assert open_it(note())
    assert not open_it(changed(note(), line, byte))


def test_two_times_are_none() -> None:
    later = sign_note(POINT, AT + 1, [(OTHER.key, OTHER.sign)])
    both = note() + later.partition("\n\n")[2]
    assert not open_it(both, DESK, OTHER)


@pytest.mark.parametrize("kind", [NOTE_SIGNATURE, COSIGNATURE])
def test_one_signature_alone_is_not_enough(kind: int) -> None:
    lines = note().splitlines(keepends=True)
    del lines[4 if kind == COSIGNATURE else 5]
    assert not open_it("".join(lines))


def test_so_many_signatures_are_looked_at_and_no_more() -> None:
    strange = f"— strange {b64encode(bytes(68)).decode()}\n"
    assert open_it(note() + strange * (MAX_SIGNATURES - 2))
    assert not open_it(note() + strange * (MAX_SIGNATURES - 1))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text.replace("\n8\n", "\n08\n"),
        lambda text: text.replace("\n8\n", "\n+8\n"),
        lambda text: text.replace("\n8\n", "\n9\n"),
        lambda text: text.replace("\n8\n", "\n-8\n"),
        lambda text: text.replace("\n\n", "\nextension\n\n", 1),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: " " + text,
        lambda text: text.replace("—", "-"),
        lambda text: text + "\n",
        lambda text: text + "— desk.example/log not*base64\n",
        lambda text: text.replace("/00", "/01"),
        lambda text: text.rstrip("\n") + "=\n",
        lambda text: "x" * MAX_NOTE_CHARS + text,
        lambda _: "",
    ],
)
def test_what_is_not_to_the_letter_does_not_open(spoil: object) -> None:
    assert callable(spoil)
    assert spoil(note()) != note()
    assert not open_it(spoil(note()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("PeterNeumann", "PeterNewmann"),
        PETER[:-4],
        PETER.replace("+AR", "+BR"),
        PETER + "x",
        PETER + "=",
        "a b" + PETER,
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="verifier key"):
        parse_key(text)


def test_a_key_of_another_kind_has_another_id() -> None:
    key = Key("n", bytes(32))
    assert key.id(NOTE_SIGNATURE) != key.id(COSIGNATURE) != Key("m", bytes(32)).id(COSIGNATURE)
