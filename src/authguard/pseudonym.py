"""Keyed pseudonyms of subjects and credentials for the audit log, and the key file."""

from __future__ import annotations

import os
import secrets
import tempfile
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

from authguard.core.identity import encode_identity
from authguard.core.snapshot import account_key
from authguard.errors import SettingsError
from authguard.paths import make_folder
from authguard.settings import KEY_BYTES

#: bytes of a pseudonym and of a credential's fingerprint; the log has them in hexadecimal
PSEUDONYM_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 8
#: characters of a name that the log tells as it is (OpenID Connect Core 2: a `sub` has at most 255)
NAME_BOUND: Final = 255


class KeyedPseudonyms:
    """Names subjects and credentials by keyed hashes (RFC 7693), so that the log alone tells nobody's name."""

    __slots__ = ("_key", "_plain", "_several")

    def __init__(self, key: bytes, *, plain: bool = False, several: bool = False) -> None:
        """Keep the key.

        Args:
            key: at least 32 bytes.
            plain: whether the policy wants subjects by their names.
            several: whether there are several issuers, so that the name of a subject needs its issuer's beside it.
        """
        # a key may be longer than the hash takes (RFC 7693 2.1: 64 bytes)
        self._key = key if len(key) <= blake2b.MAX_KEY_SIZE else sha256(key).digest()
        self._plain = plain
        self._several = several

    def subject(self, issuer: str, subject: str) -> str:
        """Name a subject of an issuer."""
        if not self._plain:
            return self.account(account_key(issuer, subject))
        return escape_name(encode_identity(issuer, subject) if self._several else subject)

    def account(self, account: bytes) -> str:
        """Name the subject of an account, as `subject` does; empty where subjects are called by their names.

        Args:
            account: from `authguard.core.snapshot.account_key`.
        """
        if self._plain:
            return ""
        return blake2b(account, digest_size=PSEUDONYM_BYTES, key=self._key, person=b"subject").hexdigest()

    @property
    def check(self) -> str:
        """Return a value that is equal for equal names and tells nothing of the key."""
        kind = (b"plain of several" if self._several else b"plain") if self._plain else b"keyed"
        key = b"" if self._plain else self._key
        return blake2b(kind, digest_size=PSEUDONYM_BYTES, key=key, person=b"check").hexdigest()

    def fingerprint(self, credential: bytes) -> str:
        """Tell two credentials apart without holding either."""
        return blake2b(credential, digest_size=FINGERPRINT_BYTES, key=self._key, person=b"credential").hexdigest()


def escape_name(name: str) -> str:
    """Write a name so that it forges nothing where it is escape_name again, and so that no two names are written alike.

    Args:
        name: of whatever an issuer says; one that prints, holds no backslash and is not too long stays as it is.
    """
    if len(name) <= NAME_BOUND and name.isprintable() and "\\" not in name:
        return name
    escaped = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode("ascii") for char in name
    )
    if len(escaped) <= 2 * NAME_BOUND:
        return escaped
    return f"{escaped[:NAME_BOUND]}\\{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def load_or_create_key(store: Path) -> bytes:
    """Read the key that is kept beside a store, making one the first time.

    Two processes that make one at the same moment end up with the same: the file appears whole or not at all.

    Raises:
        SettingsError: it cannot be read or made, or is too short to be one.
    """
    path = store.with_name(store.name + ".key")
    try:
        if not path.exists():
            make_folder(path.parent)
            _make(path)
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"the pseudonym key `{path}` cannot be read or made: {type(error).__name__}") from error
    if len(key) < KEY_BYTES:
        raise SettingsError(f"the pseudonym key `{path}` is too short; restore it, or remove it to begin anew")
    return key


def _make(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return  # another process was faster: its key is the key
    finally:
        Path(name).unlink(missing_ok=True)
