"""The keys that sign a log's checkpoints: Ed25519 (RFC 8032), kept in a file that only its owner reads.

A key is one line, ``PRIVATE+KEY+name+id+base64``, as the signed notes of other logs have it. A file may hold several:
the last signs, the others were rotated out and endorse their successors.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authguard.core.signed_note import NOTE_SIGNATURE, Key, decode_base64
from authguard.errors import SettingsError
from authguard.paths import make_folder

_PREFIX: Final = "PRIVATE+KEY+"
#: bytes of a key's seed with its kind before it
_SEED: Final = 33
#: most bytes of a key file that are read
_FILE_BOUND: Final = 65_536


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key that signs.

    Attributes:
        key: its public half and its name.
    """

    key: Key
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign, 64 bytes."""
        return self._private.sign(message)

    def text(self) -> str:
        """Write the private key as its file has it."""
        seed = self._private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        coded = b64encode(bytes([NOTE_SIGNATURE]) + seed).decode()
        return f"{_PREFIX}{self.key.name}+{self.key.id(NOTE_SIGNATURE).hex()}+{coded}"


def _of(name: str, private: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(Key(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), private)


def generate_key(name: str = "") -> SigningKey:
    """Make a key.

    Args:
        name: without spaces and plus signs; else one of its own.
    """
    return _of(name or f"authguard-{secrets.token_hex(4)}", Ed25519PrivateKey.generate())


@lru_cache(maxsize=64)
def _public(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is right."""
    try:
        _public(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_keys(text: str, source: str) -> tuple[SigningKey, ...]:
    """Read keys, one a line, the signing one last.

    Args:
        text: of the file or the variable.
        source: where it stands, for the message.

    Raises:
        SettingsError: a line is no key.
    """
    keys = []
    for line in text.split():
        try:
            name, stated, coded = line.removeprefix(_PREFIX).split("+", 2)
            raw = decode_base64(coded)
            found = _of(name, Ed25519PrivateKey.from_private_bytes(raw[1:]))
            good = line.startswith(_PREFIX) and bool(name) and len(raw) == _SEED and raw[0] == NOTE_SIGNATURE
        except ValueError:
            good = False
        if not good or found.key.id(NOTE_SIGNATURE).hex() != stated:
            raise SettingsError(f"{source} holds no signing key: make one with `authguard audit keys generate`")
        keys.append(found)
    if not keys:
        raise SettingsError(f"{source} holds no signing key: make one with `authguard audit keys generate`")
    return tuple(keys)


def load_key_file(path: Path) -> tuple[SigningKey, ...]:
    """Read a key file.

    Raises:
        SettingsError: it cannot be read, holds no key, or others than its owner may read it.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise SettingsError(f"the signing key `{path}` may be read by others: chmod 600 it")
            text = file.read(_FILE_BOUND).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the signing key `{path}` cannot be read: {type(error).__name__}") from error
    return parse_keys(text, f"`{path}`")


def load_keys(given: str, base: str) -> tuple[SigningKey, ...]:
    """Read the keys of a deployment, making one the first time.

    Args:
        given: the key itself, or the path of its file; empty for the file beside the store.
        base: what the deployment's own files begin with.

    Raises:
        SettingsError: they cannot be read or made.
    """
    if given.startswith(_PREFIX):
        return parse_keys(given, "AUTHGUARD_SIGNING_KEY")
    return load_key_file(Path(given)) if given else load_or_create_keys(key_file_path(base))


def key_file_path(base: str) -> Path:
    """Name the file of the keys that is kept beside the store."""
    return Path(base + ".signing")


def checkpoint_memory_path(base: str) -> Path:
    """Name the folder in which the writers remember their newest checkpoints."""
    return Path(base + ".heads")


def write_key_file(path: Path, keys: tuple[SigningKey, ...], *, replace: bool = False) -> bool:
    """Write a key file, whole or not at all, with mode 0600.

    Args:
        path: of the file.
        keys: the signing one last.
        replace: whether to replace the file that is there.

    Returns:
        Whether it was written: a file that is there is left alone.

    Raises:
        SettingsError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        make_folder(path.parent)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("".join(f"{key.text()}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        try:
            if replace:
                new.replace(path)
            else:
                os.link(new, path)
        except FileExistsError:
            return False
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"the signing key `{path}` cannot be made: {error.strerror}") from error
    return True


def load_or_create_keys(path: Path) -> tuple[SigningKey, ...]:
    """Read the keys of a file, making one the first time; processes that do so at once get the same.

    Raises:
        SettingsError: they cannot be read or made.
    """
    if not path.exists():
        write_key_file(path, (generate_key(),))
    return load_key_file(path)
