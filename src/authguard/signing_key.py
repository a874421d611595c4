"""Ed25519 keys that sign the checkpoints of a log (RFC 8032), stored in a file that only its owner can read.

A key is one line, ``PRIVATE+KEY+name+id+base64``, the format of signed notes. A file may hold several keys: the last
one signs; the others were rotated out and endorse their successors.
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

from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure, open_regular
from authguard.paths import make_data_folder
from authguard.records.signed_note import NOTE_SIGNATURE, Key, decode_base64

_PREFIX: Final = "PRIVATE+KEY+"
#: bytes of a seed, including the key type before it
_SEED_BYTES: Final = 33
#: maximum size of a key file
_MAX_FILE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs checkpoints.

    Attributes:
        key: its public half and its name.
    """

    key: Key
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes."""
        return self._private.sign(message)

    def text(self) -> str:
        """Return the private key as one line of a key file."""
        seed = self._private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        encoded = b64encode(bytes([NOTE_SIGNATURE]) + seed).decode()
        return f"{_PREFIX}{self.key.name}+{self.key.id(NOTE_SIGNATURE).hex()}+{encoded}"


def _from_private(name: str, private: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(Key(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), private)


def generate_key(name: str = "") -> SigningKey:
    """Generate a key.

    Args:
        name: without spaces and plus signs; a random name if empty.
    """
    return _from_private(name or f"authguard-{secrets.token_hex(4)}", Ed25519PrivateKey.generate())


@lru_cache(maxsize=64)
def _public(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a signature is valid."""
    try:
        _public(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_keys(text: str, source: str) -> tuple[SigningKey, ...]:
    """Parse keys, one per line; the last one signs.

    Args:
        text: content of the file or the variable.
        source: name of the file or the variable, for error messages.

    Raises:
        SettingsError: a line is no key.
    """
    keys = []
    for line in text.split():
        try:
            name, key_id, encoded = line.removeprefix(_PREFIX).split("+", 2)
            raw = decode_base64(encoded)
            found = _from_private(name, Ed25519PrivateKey.from_private_bytes(raw[1:]))
            is_valid = line.startswith(_PREFIX) and bool(name) and len(raw) == _SEED_BYTES and raw[0] == NOTE_SIGNATURE
        except ValueError:
            is_valid = False
        if not is_valid or found.key.id(NOTE_SIGNATURE).hex() != key_id:
            raise SettingsError(f"{source} holds no signing key: create one with `authguard audit keys generate`")
        keys.append(found)
    if not keys:
        raise SettingsError(f"{source} holds no signing key: create one with `authguard audit keys generate`")
    return tuple(keys)


def load_key_file(path: Path) -> tuple[SigningKey, ...]:
    """Load the keys of a file.

    Raises:
        SettingsError: the file cannot be read, holds no key, or is readable by others than its owner.
    """
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise SettingsError(f"the signing key `{path}` is readable by other users: run chmod 600 on it")
            text = file.read(_MAX_FILE_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(describe_failure(FileRole.SIGNING_KEY, path, "read", Access.READ, error)) from error
    return parse_keys(text, f"`{path}`")


def load_keys(given: str, base: str) -> tuple[SigningKey, ...]:
    """Load the keys of a deployment; create a key the first time.

    Args:
        given: the key itself, or the path of its file; empty for the file next to the store.
        base: prefix of the deployment's own files.

    Raises:
        SettingsError: the keys cannot be read or created.
    """
    if not given:
        return load_or_create_keys(key_file_path(base))
    file = named_file(given)
    return parse_keys(given, "AUTHGUARD_SIGNING_KEY") if file is None else load_key_file(file)


def named_file(given: str) -> Path | None:
    """Return the file that a setting names; ``None`` if the setting is the key itself."""
    return None if given.startswith(_PREFIX) else Path(given)


def key_file_path(base: str) -> Path:
    """Return the path of the key file next to the store."""
    return Path(base + ".signing")


def checkpoint_memory_path(base: str) -> Path:
    """Return the path of the folder in which the writers store their newest checkpoints."""
    return Path(base + ".heads")


def write_key_file(path: Path, keys: tuple[SigningKey, ...], *, replace: bool = False) -> bool:
    """Write a key file with mode 0600, completely or not at all.

    Args:
        path: path of the file.
        keys: the signing key last.
        replace: whether to replace an existing file.

    Returns:
        Whether the file was written; an existing file is kept unless `replace` is set.

    Raises:
        SettingsError: the file cannot be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        make_data_folder(path.parent)
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
        raise SettingsError(describe_failure(FileRole.SIGNING_KEY, path, "created", Access.DATABASE, error)) from error
    return True


def load_or_create_keys(path: Path) -> tuple[SigningKey, ...]:
    """Load the keys of a file; create the file if there is none.

    Processes that create it at the same time get the same keys.

    Raises:
        SettingsError: the keys cannot be read or created.
    """
    if not path.exists():
        write_key_file(path, (generate_key(),))
    return load_key_file(path)
