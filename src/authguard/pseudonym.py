"""Keyed pseudonyms of subjects and credentials for the audit log, and the key file."""

from __future__ import annotations

import os
import secrets
import tempfile
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

from authguard.core.identity import encode_identity
from authguard.core.record_keys import account_key
from authguard.errors import SettingsError
from authguard.file_access import Access, FileRole, describe_failure, open_regular
from authguard.paths import make_data_folder
from authguard.settings import KEY_BYTES

#: bytes of a pseudonym and of a credential's fingerprint; the log has them in hexadecimal
PSEUDONYM_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 8
#: bytes that are read of a key file
_MAX_FILE_BYTES: Final = 65_536
#: maximum length of a name that is shown unchanged (OpenID Connect Core 2: a `sub` has at most 255 characters)
MAX_NAME_LENGTH: Final = 255


class KeyedPseudonyms:
    """Pseudonyms of subjects and fingerprints of credentials by keyed hash (RFC 7693), which reveal no name."""

    __slots__ = ("_credentials", "_key", "_plain", "_several", "_subjects")

    def __init__(self, key: bytes, *, plain: bool = False, several: bool = False) -> None:
        """Store the key.

        Args:
            key: at least 32 bytes.
            plain: whether the policy wants plain names of subjects.
            several: whether the policy has several issuers, so that a plain name includes its issuer.
        """
        # a key may be longer than the 64 bytes that the hash accepts (RFC 7693 2.1)
        self._key = key if len(key) <= blake2b.MAX_KEY_SIZE else sha256(key).digest()
        #: hash states, which are copied for each name
        self._subjects = blake2b(digest_size=PSEUDONYM_BYTES, key=self._key, person=b"subject")
        self._credentials = blake2b(digest_size=FINGERPRINT_BYTES, key=self._key, person=b"credential")
        self._plain = plain
        self._several = several

    def subject(self, issuer: str, subject: str) -> str:
        """Return the pseudonym of a subject of an issuer."""
        if not self._plain:
            return self.account(account_key(issuer, subject))
        return escape_name(encode_identity(issuer, subject) if self._several else subject)

    def account(self, account: bytes) -> str:
        """Return the pseudonym of an account's subject, as `subject` does; empty if the policy wants plain names.

        Args:
            account: from `authguard.core.record_keys.account_key`.
        """
        if self._plain:
            return ""
        digest = self._subjects.copy()
        digest.update(account)
        return digest.hexdigest()

    @property
    def check(self) -> str:
        """Return a value that is equal for equal pseudonyms and reveals nothing about the key."""
        kind = (b"plain of several" if self._several else b"plain") if self._plain else b"keyed"
        key = b"" if self._plain else self._key
        return blake2b(kind, digest_size=PSEUDONYM_BYTES, key=key, person=b"check").hexdigest()

    def peer(self, address: str) -> str:
        """Return the keyed hash of a client's address, which reveals it only to holders of the key."""
        return blake2b(address.encode(), digest_size=PSEUDONYM_BYTES, key=self._key, person=b"peer").hexdigest()

    def fingerprint(self, credential: bytes) -> str:
        """Return a keyed fingerprint that distinguishes credentials without storing them."""
        digest = self._credentials.copy()
        digest.update(credential)
        return digest.hexdigest()


def escape_name(name: str) -> str:
    """Return a name escaped so that it cannot forge output, and so that different names stay different.

    Args:
        name: from an issuer; a printable name without backslashes and of at most 255 characters is returned unchanged.
    """
    if len(name) <= MAX_NAME_LENGTH and name.isprintable() and "\\" not in name:
        return name
    escaped = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode("ascii") for char in name
    )
    if len(escaped) <= 2 * MAX_NAME_LENGTH:
        return escaped
    return f"{escaped[:MAX_NAME_LENGTH]}\\{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def key_file_path(store: Path) -> Path:
    """Return the path of the key file next to a store."""
    return store.with_name(f"{store.name}.key")


def load_or_create_key(store: Path) -> bytes:
    """Return the key in the file next to a store; create the file if there is none.

    Processes that create it at the same time get the same key: the file appears complete or not at all.

    Raises:
        SettingsError: the file cannot be read or created, or its key is too short.
    """
    path = key_file_path(store)
    try:
        if not path.exists():
            make_data_folder(path.parent)
            _create_key_file(path)
        with open_regular(path) as file:
            key = bytes.fromhex(file.read(_MAX_FILE_BYTES).decode("ascii").strip())
    except OSError as error:
        raise SettingsError(
            describe_failure(FileRole.PSEUDONYM_KEY, path, "read or created", Access.READ_OR_CREATE, error)
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"the pseudonym key `{path}` is not hexadecimal: restore the file, or remove it to start with a new key"
        ) from error
    if len(key) < KEY_BYTES:
        raise SettingsError(
            f"the pseudonym key `{path}` is too short: restore the file, or remove it to start with a new key"
        )
    return key


def _create_key_file(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return  # another process created the file first: its key counts
    finally:
        Path(name).unlink(missing_ok=True)
